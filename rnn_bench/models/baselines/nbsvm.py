"""NBSVM: a linear support vector machine on features that naive Bayes has weighted."""

import math
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch.nn.functional as F
from jaxtyping import Float
from numpy.typing import NDArray

from rnn_bench.data.encoding import Split
from rnn_bench.models.baselines.linear import LinearClassifier

SMOOTHING = 1.0
INTERPOLATION = 0.25
TOLERANCE = 0.01  # liblinear's own is 0.1


class NbsvmClassifier(LinearClassifier):
    """The NBSVM of Wang and Manning 2012 (Baselines and Bigrams, ACL, https://aclanthology.org/
    P12-2018): which tokens and pairs an article has, each times its log-count ratio r between a
    class and the others, and a support vector machine (L2 loss, of liblinear). Its weights w are
    interpolated with naive Bayes: (1 - 0.25) mean(|w|) + 0.25 w.

    The intercept is interpolated too, with 0 for naive Bayes, so that a class keeps no advantage
    that the smaller weights do not answer. Of more than two classes, each is told from the rest.
    One factor for all margins, which makes them scores of classes, has the least cross-entropy on
    the validation articles (temperature scaling, Guo et al. 2017, arXiv 1706.04599), whose labels
    are smoothed as by Platt 1999, so that a validation split without errors asks for no certainty.
    """

    colours = ("#8c564b", "#c49c94")
    marker = "v"
    choices = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1)

    def fit_features(self, counts: Any) -> Any:
        return self.features(counts)

    def features(self, counts: Any) -> Any:
        counts.data[:] = 1
        return counts

    def fit_weights(
        self, features: Any, labels: NDArray[np.int64], choices: Sequence[float], balanced: bool
    ) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.svm import LinearSVC
        from sklearn.utils.class_weight import compute_sample_weight

        columns = len(self.intercepts)
        weights = compute_sample_weight("balanced" if balanced else None, labels)
        ours = [labels == each for each in ([1] if columns == 1 else range(columns))]
        ratios = [log_count_ratios(features, is_class) for is_class in ours]
        for c in choices:
            coefficients, intercepts = [], []
            for is_class, r in zip(ours, ratios, strict=True):
                model = LinearSVC(C=c, random_state=0, tol=TOLERANCE)
                with warnings.catch_warnings():  # validation judges a c that does not converge too
                    warnings.simplefilter("ignore", ConvergenceWarning)
                    model.fit(features.multiply(r).tocsr(), is_class, weights)
                w = model.coef_[0]
                mixed = (1 - INTERPOLATION) * np.abs(w).mean() + INTERPOLATION * w
                coefficients.append(r * mixed)
                intercepts.append(INTERPOLATION * model.intercept_[0])
            yield np.stack(coefficients), np.array(intercepts)

    def calibrate(self, validation: Split) -> None:
        from scipy.optimize import minimize_scalar

        scores = self.scores(validation).double()

        articles, classes = scores.shape
        smoothing = classes / (articles + classes)  # Platt's: as if each class had one more article

        def loss(logarithm: float) -> float:
            scaled = scores * math.exp(logarithm)
            return F.cross_entropy(scaled, validation.labels, label_smoothing=smoothing).item()

        factor = math.exp(minimize_scalar(loss, bounds=(-5, 5)).x)
        self.coefficients *= factor
        self.intercepts *= factor


def log_count_ratios(present: Any, is_class: NDArray[np.bool_]) -> Float[np.ndarray, " features"]:
    """Return the logarithm of each feature's share of the features of a class's articles, over its
    share in the other articles."""
    inside, outside = (
        SMOOTHING + np.asarray(present[rows].sum(0), np.float64).ravel()
        for rows in (is_class, ~is_class)
    )
    shares, others = inside / inside.sum(), outside / outside.sum()
    return np.asarray(np.log(shares / others))

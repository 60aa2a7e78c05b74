"""TF-IDF with logistic regression."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnn_bench.models.baselines.linear import LinearClassifier


class TfidfClassifier(LinearClassifier):
    """TF-IDF weights of an article's tokens and pairs of neighbouring tokens, with sublinear
    counts, and logistic regression with an L2 penalty. scikit-learn computes both."""

    version = 2
    colours = ("#cc79a7", "#e3a3c6")
    marker = "D"
    choices = (1, 3, 10, 30, 100)
    idf: Tensor

    def __init__(
        self,
        c: float | str,
        all_tokens: bool = True,
        *,
        vocabulary_size: int,
        classes: int,
        readout: str,
    ) -> None:
        super().__init__(
            c, all_tokens, vocabulary_size=vocabulary_size, classes=classes, readout=readout
        )
        self.register_buffer("idf", torch.zeros(0))

    def fit_features(self, counts: Any) -> Any:
        from sklearn.feature_extraction.text import TfidfTransformer

        self.idf = torch.from_numpy(TfidfTransformer().fit(counts).idf_.astype(np.float32))
        return self.features(counts)

    def features(self, counts: Any) -> Any:
        from scipy.sparse.linalg import norm

        counts.data = (1 + np.log(counts.data)) * self.idf.numpy()[counts.indices]
        counts.data /= np.repeat(norm(counts, axis=1), np.diff(counts.indptr))
        return counts

    def fit_weights(
        self, features: Any, labels: NDArray[np.int64], choices: Sequence[float], balanced: bool
    ) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
        from sklearn.linear_model import LogisticRegression

        # With six classes this solver takes a third of lbfgs's time, to the same weights.
        model = LogisticRegression(
            solver="newton-cg",
            max_iter=1000,
            class_weight="balanced" if balanced else None,
            warm_start=True,
        )
        features = features.astype(np.float64)
        for c in choices:
            model.set_params(C=c).fit(features, labels)
            yield model.coef_, model.intercept_

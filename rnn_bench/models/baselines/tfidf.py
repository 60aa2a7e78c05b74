"""TF-IDF with logistic regression."""

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from rnn_bench.data.encoding import Split
from rnn_bench.data.vocabulary import UNKNOWN
from rnn_bench.models.baselines.baseline import Baseline


class TfidfClassifier(Baseline):
    """TF-IDF weights of an article's tokens, and logistic regression with an L2 penalty.

    It reads the same token ids as the other models; unknown tokens are left out. scikit-learn
    fits it; the probabilities are computed from the buffers.
    """

    colours = ("#cc79a7", "#e3a3c6")
    marker = "D"
    idf: Tensor
    coefficients: Tensor
    intercepts: Tensor

    def __init__(self, c: float, *, vocabulary_size: int, classes: int, readout: str) -> None:
        super().__init__()
        self.c, self.vocabulary_size = c, vocabulary_size
        rows = classes if classes > 2 else 1
        shapes = {"idf": [vocabulary_size], "coefficients": [rows, vocabulary_size]}
        for name, shape in {**shapes, "intercepts": [rows]}.items():
            self.register_buffer(name, torch.zeros(shape, dtype=torch.double))

    def fit(self, split: Split) -> None:
        from scipy.sparse import csr_matrix
        from sklearn.feature_extraction.text import TfidfTransformer
        from sklearn.linear_model import LogisticRegression

        articles, tokens, counts = self._counts(split)
        shape = len(split), self.vocabulary_size
        tfidf, regression = TfidfTransformer(), LogisticRegression(C=self.c, max_iter=1000)
        weights = tfidf.fit_transform(csr_matrix((counts, (articles, tokens)), shape))
        regression.fit(weights, split.labels.numpy())
        self.idf.copy_(torch.from_numpy(tfidf.idf_))
        self.coefficients.copy_(torch.from_numpy(regression.coef_))
        self.intercepts.copy_(torch.from_numpy(regression.intercept_))

    def log_probabilities(self, split: Split) -> Float[Tensor, "articles classes"]:
        articles, tokens, counts = self._counts(split)
        weights = counts * self.idf.numpy()[tokens]
        norms = np.sqrt(np.bincount(articles, weights**2, len(split)))
        norms[norms == 0] = 1  # an article of unknown tokens
        sums = [
            np.bincount(articles, weights * row[tokens], len(split))
            for row in self.coefficients.numpy()
        ]
        scores = torch.from_numpy(np.stack(sums, axis=1) / norms[:, None]) + self.intercepts
        if scores.shape[1] == 1:  # the second of two classes has it, the first has 0
            scores = torch.cat([torch.zeros_like(scores), scores], dim=1)
        return torch.log_softmax(scores, dim=1).float()

    def _counts(self, split: Split) -> tuple[NDArray[np.int64], ...]:
        """Return each (article, known token) pair's article, token, and count."""
        tokens = split.tokens.numpy()
        articles = np.repeat(np.arange(len(split)), split.lengths.numpy())
        known = tokens > UNKNOWN
        cells, counts = np.unique(
            articles[known] * self.vocabulary_size + tokens[known], return_counts=True
        )
        return *np.divmod(cells, self.vocabulary_size), counts

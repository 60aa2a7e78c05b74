"""Models without epochs: what a recurrent cell has to beat."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from rnn_bench.config.options import target_of
from rnn_bench.data.encoding import Split
from rnn_bench.data.vocabulary import UNKNOWN


class Baseline(ABC):
    """A model that is fitted once, to a whole split."""

    @abstractmethod
    def fit(self, split: Split) -> None: ...

    @abstractmethod
    def log_probabilities(self, split: Split) -> Float[Tensor, "articles classes"]: ...

    @abstractmethod
    def state_dict(self) -> dict[str, Tensor]:
        """What was fitted, by name."""

    @abstractmethod
    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Become what was fitted, from a `state_dict`."""


def is_baseline(option: Any) -> bool:
    """Whether an option of the model group is fitted once."""
    target = target_of(option)
    return isinstance(target, type) and issubclass(target, Baseline)


class MajorityClassifier(Baseline):
    """Every article gets the shares of the classes in the training split."""

    def __init__(self, *, vocabulary_size: int, classes: int, readout: str) -> None:
        self.shares = torch.zeros(classes)

    def fit(self, split: Split) -> None:
        counts = torch.bincount(split.labels.cpu(), minlength=len(self.shares))
        self.shares = counts / counts.sum()

    def log_probabilities(self, split: Split) -> Float[Tensor, "articles classes"]:
        return self.shares.log().expand(len(split), -1)

    def state_dict(self) -> dict[str, Tensor]:
        return {"shares": self.shares}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self.shares = state["shares"]


class TfidfClassifier(Baseline):
    """TF-IDF weights of an article's tokens, and logistic regression with an L2 penalty.

    It reads the same token ids as the other models; unknown tokens are left out.
    """

    def __init__(self, c: float, *, vocabulary_size: int, classes: int, readout: str) -> None:
        from sklearn.feature_extraction.text import TfidfTransformer
        from sklearn.linear_model import LogisticRegression

        self.vocabulary_size, self.classes = vocabulary_size, classes
        self.tfidf = TfidfTransformer()
        self.regression = LogisticRegression(C=c, max_iter=1000)

    def fit(self, split: Split) -> None:
        self.regression.fit(self.tfidf.fit_transform(self._counts(split)), split.labels.numpy())

    def log_probabilities(self, split: Split) -> Float[Tensor, "articles classes"]:
        features = self.tfidf.transform(self._counts(split))
        return torch.from_numpy(self.regression.predict_log_proba(features)).float()

    def state_dict(self) -> dict[str, Tensor]:
        fitted = {
            "idf": self.tfidf.idf_,
            "coefficients": self.regression.coef_,
            "intercepts": self.regression.intercept_,
        }
        return {
            name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in fitted.items()
        }

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self.tfidf.idf_ = state["idf"].numpy()
        self.regression.coef_ = state["coefficients"].numpy()
        self.regression.intercept_ = state["intercepts"].numpy()
        self.regression.classes_ = np.arange(self.classes)

    def _counts(self, split: Split):  # type: ignore[no-untyped-def]  # a scipy matrix, untyped
        from scipy.sparse import csr_matrix

        # Copies, since summing duplicates works in place.
        tokens, offsets = split.tokens.numpy().copy(), split.offsets.numpy().copy()
        counted = np.where(tokens > UNKNOWN, 1.0, 0.0)
        counts = csr_matrix((counted, tokens, offsets), shape=(len(split), self.vocabulary_size))
        counts.sum_duplicates()
        counts.eliminate_zeros()
        return counts

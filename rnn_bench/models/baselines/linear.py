"""The base of the classifiers with a weight for each token and each pair of neighbouring tokens."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from rnn_bench.config.protocol import Protocol
from rnn_bench.data.encoding import Split
from rnn_bench.data.vocabulary import UNKNOWN
from rnn_bench.models.baselines.baseline import Baseline

AUTO = "auto"


class LinearClassifier(Baseline):
    """A weight for each class of each token and pair of neighbouring tokens in the training split.

    Unknown tokens are left out, with the pairs that they are part of. A subclass makes features of
    an article's counts, and fits their weights. Buffers have 32 bits a number, for a corpus has
    millions of pairs.

    Attributes:
        base: the size of the vocabulary.
        ngrams: the features, in rising order, as numbers: the first token times the base, plus the
            second one, or 0 for a token alone.
        coefficients, intercepts: a column for each class; of two classes, for the second alone.
    """

    choices: ClassVar[tuple[float, ...]]  # of the inverse strength of the penalty, for c=auto
    base: Tensor
    ngrams: Tensor
    coefficients: Tensor
    intercepts: Tensor

    def __init__(
        self,
        c: float | str,
        all_tokens: bool = True,
        *,
        vocabulary_size: int,
        classes: int,
        readout: str,
    ) -> None:
        super().__init__()
        self.c, self.vocabulary_size = c, vocabulary_size
        self.register_buffer("base", torch.tensor([vocabulary_size]))
        self.register_buffer("ngrams", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("coefficients", torch.zeros(0, classes if classes > 2 else 1))
        self.register_buffer("intercepts", torch.zeros(classes if classes > 2 else 1))

    def fits(self, train: Split, validation: Split, protocol: Protocol) -> Iterator[str]:
        self.ngrams = torch.from_numpy(np.unique(self._ngrams(train)[1]))
        features = self.fit_features(self.counts(train))
        choices = self.choices if self.c == AUTO else (float(self.c),)
        balanced = protocol.class_weights == "balanced"
        fitted = self.fit_weights(features, train.labels.numpy(), choices, balanced)
        for c, (coefficients, intercepts) in zip(choices, fitted, strict=True):
            self.coefficients = torch.from_numpy(coefficients.T.astype(np.float32, order="C"))
            self.intercepts = torch.from_numpy(intercepts.astype(np.float32))
            self.calibrate(validation)
            yield f"C={c:g}"

    @abstractmethod
    def fit_features(self, counts: Any) -> Any:
        """Learn from the training articles' counts what features need; return their features."""

    @abstractmethod
    def features(self, counts: Any) -> Any:
        """Return the features of articles with these counts, as a matrix of the same shape."""

    @abstractmethod
    def fit_weights(
        self, features: Any, labels: NDArray[np.int64], choices: Sequence[float], balanced: bool
    ) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
        """Yield coefficients [columns, features] and intercepts [columns] for penalties of each
        inverse strength. If they are `balanced`, each class weighs the same in the loss."""

    def calibrate(self, validation: Split) -> None:
        """Scale the weights so that scores are logarithms of probabilities, if they are not."""

    def log_probabilities(self, split: Split) -> Float[Tensor, "articles classes"]:
        return torch.log_softmax(self.scores(split), dim=1)

    def scores(self, split: Split) -> Float[Tensor, "articles classes"]:
        """Return each class's score for each article; the first of two classes has 0."""
        product = self.features(self.counts(split)) @ self.coefficients.numpy()
        scores = torch.from_numpy(product) + self.intercepts
        return torch.cat([torch.zeros_like(scores), scores], 1) if scores.shape[1] == 1 else scores

    def counts(self, split: Split) -> Any:
        """Return how often each article has each n-gram, as a sparse matrix."""
        from scipy.sparse import coo_matrix

        articles, found = self._ngrams(split)
        ngrams = self.ngrams.numpy()
        places = np.searchsorted(ngrams, found)
        places[places == len(ngrams)] = 0
        known = ngrams[places] == found if len(ngrams) else np.zeros(len(found), bool)
        cells = articles[known], places[known]
        ones = np.ones(len(cells[0]), np.float32)
        return coo_matrix((ones, cells), (len(split), len(ngrams))).tocsr()

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Load what was fitted, to the same vocabulary.

        Raises:
            RuntimeError: it was fitted to another one, or buffers have other names or shapes.
        """
        if "base" in state_dict and not torch.equal(state_dict["base"], self.base):
            raise RuntimeError(
                f"Error(s) in loading: n-grams of {state_dict['base'].tolist()} tokens, where the "
                f"vocabulary has {self.base.tolist()}"
            )
        return super().load_state_dict(state_dict, strict, assign)

    def _ngrams(self, split: Split) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the article of each known token and pair of known tokens, and its number."""
        tokens = split.tokens.numpy().astype(np.int64)
        articles = np.repeat(np.arange(len(split)), split.lengths.numpy())
        known = tokens > UNKNOWN
        pairs = known[:-1] & known[1:] & (articles[:-1] == articles[1:])
        alone, first = tokens * self.vocabulary_size, np.flatnonzero(pairs)
        return (
            np.concatenate([articles[known], articles[first]]),
            np.concatenate([alone[known], alone[first] + tokens[first + 1]]),
        )

"""The base of the models that are fitted once, without epochs."""

from abc import ABC, abstractmethod
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from rnn_bench.config.options import target_of
from rnn_bench.data.encoding import Split


class Baseline(nn.Module, ABC):
    """A model that is fitted once, to a whole split.

    What is fitted lies in buffers that get their final shapes when the model is made, so that
    `state_dict` and `load_state_dict` keep it.
    """

    version = 1  # raise it when the same articles would give other probabilities

    @abstractmethod
    def fit(self, split: Split) -> None:
        """Fit the model to a split's articles and labels."""

    @abstractmethod
    def log_probabilities(self, split: Split) -> Float[Tensor, "articles classes"]:
        """Return the logarithm of each class's probability for each article."""


def is_baseline(option: Any) -> bool:
    """Return whether an option of the model group is fitted once."""
    target = target_of(option)
    return isinstance(target, type) and issubclass(target, Baseline)

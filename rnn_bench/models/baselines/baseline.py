"""Models that are fitted once, without epochs."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor

from rnn_bench.config.options import target_of
from rnn_bench.data.encoding import Split


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

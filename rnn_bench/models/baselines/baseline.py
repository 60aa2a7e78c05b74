"""The base of the models that are fitted once, without epochs."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from rnn_bench.config.options import target_of
from rnn_bench.config.protocol import Protocol
from rnn_bench.data.encoding import Split


class Baseline(nn.Module, ABC):
    """A model that is fitted once, to a whole split.

    What is fitted lies in buffers, so that `state_dict` and `load_state_dict` keep it. A buffer
    that is as long as the articles make it has no rows before. A subclass has `fit`, or `fits` if
    it has a setting to choose.
    """

    version = 1  # raise it when the same articles would give other probabilities

    def fit(self, split: Split) -> None:
        """Fit the model to a split's articles and labels."""
        raise NotImplementedError(f"{type(self).__name__} has neither fit nor fits.")

    def fits(self, train: Split, validation: Split, protocol: Protocol) -> Iterator[str]:
        """Fit the model to the training split with each setting to choose from, and yield the
        setting each time: the one that is best on the validation split is kept."""
        self.fit(train)
        yield ""

    @abstractmethod
    def log_probabilities(self, split: Split) -> Float[Tensor, "articles classes"]:
        """Return the logarithm of each class's probability for each article."""

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Load what was fitted; buffers without rows get as many as the fitted ones have."""
        for name, buffer in [*self.named_buffers(recurse=False)]:
            if name in state_dict and buffer.shape[:1] == (0,):
                rows = len(state_dict[name])
                setattr(self, name, buffer.new_empty(rows, *buffer.shape[1:]))
        return super().load_state_dict(state_dict, strict, assign)


def is_baseline(option: Any) -> bool:
    """Return whether an option of the model group is fitted once."""
    target = target_of(option)
    return isinstance(target, type) and issubclass(target, Baseline)

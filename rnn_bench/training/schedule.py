"""The learning rate of each update: a warm-up, then constant or falling."""

import math

from torch import Tensor
from torch.optim import Optimizer

from rnn_bench.config.errors import ConfigError
from rnn_bench.config.protocol import Protocol

# Raised when other learning rates follow from the time for training.
TIMED_VERSION = 2


class Schedule:
    """Sets an optimizer's learning rates before each update, as shares of the rates it was made
    with.

    A share depends on the number of the update, and on how much of `protocol.train_seconds` is
    spent, so that a resumed training has nothing to restore. Without warm-up and with a constant
    rate the optimizer is left alone.

    Args:
        planned: the updates of all epochs, if nothing ends training early.

    Raises:
        ConfigError: the optimizer has no learning rate.
    """

    def __init__(self, optimizer: Optimizer, protocol: Protocol, planned: int) -> None:
        self.optimizer, self.protocol, self.planned = optimizer, protocol, planned
        self.is_constant = protocol.schedule == "constant" and protocol.warmup == 0
        groups = optimizer.param_groups
        if not self.is_constant and any("lr" not in group for group in groups):
            raise ConfigError(
                f"protocol.schedule={protocol.schedule} and protocol.warmup={protocol.warmup} are "
                "not possible with an optimizer that has no lr; constant and 0 are."
            )
        self.rates = [group.get("lr", math.nan) for group in groups]

    def prepare(self, update: int, time_spent: float = 0.0) -> None:
        """Set the learning rates of an update; the first is 0. Where a greater share of the time
        than of the planned updates is spent, they are those of that share of the updates."""
        if not self.is_constant:
            reached = max(update, min(time_spent, 1.0) * self.planned)
            share = rate_share(self.protocol, reached, self.planned)
            for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
                if isinstance(group["lr"], Tensor):  # which a CUDA graph reads
                    group["lr"].fill_(rate * share)
                else:
                    group["lr"] = rate * share


def is_timed(protocol: Protocol) -> bool:
    """Return whether learning rates depend on the time for training."""
    changes = protocol.schedule != "constant" or protocol.warmup > 0
    return changes and protocol.train_seconds is not None


def rate_share(protocol: Protocol, update: float, planned: int) -> float:
    """Return the share of the learning rate that an update gets: 1 in the first one after the
    warm-up; 0 would be reached in the one after the last.

    The warm-up is that of Goyal et al. 2017, the cosine equation 5 of Loshchilov and Hutter 2017.
    """
    rising = int(protocol.warmup * planned)
    if update < rising:
        return (update + 1) / (rising + 1)
    if protocol.schedule == "constant":
        return 1.0
    done = (update - rising) / (planned - rising)
    return 1 - done if protocol.schedule == "linear" else (1 + math.cos(math.pi * done)) / 2

"""The learning rate of each update: a warm-up, then constant or falling."""

import math

from torch.optim import Optimizer

from rnn_bench.config.errors import ConfigError
from rnn_bench.config.protocol import Protocol


class Schedule:
    """Sets an optimizer's learning rates before each update, as shares of the rates it was made
    with.

    A share depends on the number of the update alone, so that a resumed training has nothing to
    restore. Without warm-up and with a constant rate the optimizer is left alone.

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
                "not possible with an optimizer that has no lr."
            )
        self.rates = [group.get("lr", math.nan) for group in groups]

    def prepare(self, update: int) -> None:
        """Set the learning rates of an update; the first is 0."""
        if not self.is_constant:
            share = rate_share(self.protocol, update, self.planned)
            for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
                group["lr"] = rate * share


def rate_share(protocol: Protocol, update: int, planned: int) -> float:
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

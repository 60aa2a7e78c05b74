"""The group `optimizer`: torch's optimizers, with every key's type, default, meaning and range."""

from dataclasses import dataclass

from omegaconf import MISSING

from rnn_bench.config.errors import ConfigError
from rnn_bench.config.options import FRACTION, POSITIVE, Allowed, Option, at_least, key


@dataclass
class Optimizer(Option):
    """What turns gradients into steps."""

    group = "optimizer"
    base = "torch.optim.Optimizer"
    partial = True
    given = ("params",)
    _target_: str = MISSING
    _partial_: bool = True
    name: str = key(MISSING, "the optimizer in tables and run names")
    lr: float = key(MISSING, "learning rate", POSITIVE)
    weight_decay: float = key(0.0, "weight decay", at_least(0))


BETAS = Allowed(
    "two numbers, each at least 0 and below 1",
    lambda betas: len(betas) == 2 and all(0 <= beta < 1 for beta in betas),
)


@dataclass
class Adam(Optimizer):
    _target_: str = "torch.optim.Adam"
    betas: list[float] = key([0.9, 0.999], "decay of the two moment estimates", BETAS)
    eps: float = key(1e-8, "added to the denominator", POSITIVE)
    fused: bool = key(True, "one fused kernel for the whole update")


@dataclass
class AdamW(Adam):
    _target_: str = "torch.optim.AdamW"
    weight_decay: float = key(0.01, "decoupled weight decay", at_least(0))


@dataclass
class SGD(Optimizer):
    _target_: str = "torch.optim.SGD"
    momentum: float = key(0.0, "momentum", FRACTION)
    nesterov: bool = key(False, "Nesterov momentum")
    fused: bool = key(True, "one fused kernel for the whole update")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nesterov and self.momentum == 0:
            raise ConfigError("optimizer.nesterov=true needs an optimizer.momentum above 0.")


@dataclass
class RMSprop(Optimizer):
    _target_: str = "torch.optim.RMSprop"
    alpha: float = key(0.99, "decay of the squared-gradient average", FRACTION)
    eps: float = key(1e-8, "added to the denominator", POSITIVE)
    momentum: float = key(0.0, "momentum", FRACTION)

"""The exponential moving average of a network's weights."""

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from rnn_bench.config.errors import ConfigError


class MovingAverage(AveragedModel):
    """A copy of a model whose weights follow the model's at each `update_parameters`.

    The first weights are copied. In the n-th update after them the average keeps the share
    min(decay, (1 + n) / (10 + n)) of itself, as TensorFlow's ExponentialMovingAverage does, so that
    it does not stay near the initial weights. `prepare` tells the share before an update, which
    then waits for no GPU and can be part of a CUDA graph.

    Raises:
        ConfigError: torch cannot copy the model.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        try:
            super().__init__(model)
        except RuntimeError as error:
            raise ConfigError(
                f"protocol.ema_decay={decay} needs a copy of the model, and torch cannot make one "
                f"({error}). protocol.ema_decay=0 needs none."
            ) from error
        for module in self.modules():
            if isinstance(module, nn.RNNBase):  # cuDNN wants weights together, also a copy's
                module.flatten_parameters()
        self.decay = decay
        device = next(model.parameters()).device
        self.taken = torch.ones((), dtype=torch.float64, device=device)

    def prepare(self, update: int) -> None:
        """Set the share of the model's weights that an update takes; the first is 0."""
        kept = min(self.decay, (1 + update) / (10 + update)) if update else 0.0
        self.taken.fill_(1 - kept)
        self.n_averaged.fill_(update + 1)

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Let the average follow the model's weights, and have the model's buffers."""
        for average, weight in zip(self.module.parameters(), model.parameters(), strict=True):
            average.lerp_(weight, self.taken.to(average.dtype))
        for copied, buffer in zip(self.module.buffers(), model.buffers(), strict=True):
            copied.copy_(buffer)

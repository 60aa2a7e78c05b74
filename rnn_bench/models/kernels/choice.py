"""Choose the code that computes a model's recurrence."""

import logging
from pathlib import Path

import torch

from rnn_bench.config.errors import ConfigError
from rnn_bench.config.model import Recurrent
from rnn_bench.config.schema import Config
from rnn_bench.models.kernels.fused import FusedKernel
from rnn_bench.models.kernels.library import Unavailable, is_known_to_win
from rnn_bench.models.recurrent import RecurrentClassifier

log = logging.getLogger(__name__)


def fused_kernel(config: Config, device: torch.device) -> FusedKernel | None:
    """Return the fused kernel if `model.kernel` chooses it; None if torch computes the model.

    `auto` chooses it where it computes the same and is known to be faster.

    Raises:
        ConfigError: `model.kernel=fused`, and it cannot be used.
    """
    model = config.model
    if not isinstance(model, Recurrent) or model.kernel == "torch":
        return None
    required = model.kernel == "fused"
    if device.type != "cpu":
        if required:
            raise ConfigError(
                f"model.kernel=fused is not possible on {device}: it computes on the CPU."
            )
        return None
    unfit = RecurrentClassifier.beyond_fused(model.cell) or config.protocol.precision == "bfloat16"
    if not required and (unfit or not is_known_to_win()):
        return None
    try:
        return FusedKernel(Path(config.cache_dir))
    except Unavailable as reason:
        if required:
            raise ConfigError(f"model.kernel=fused is not possible: {reason}.") from reason
        log.info("torch computes the recurrence, for the fused kernel cannot be used: %s.", reason)
        return None

"""Choose the code that computes a model's recurrence."""

import logging
from pathlib import Path
from typing import cast

import torch

from rnn_bench.config.errors import ConfigError
from rnn_bench.config.model import Recurrent
from rnn_bench.config.schema import Config
from rnn_bench.models.cell import cell_class
from rnn_bench.models.kernels.cuda.kernel import CudaKernel
from rnn_bench.models.kernels.fused import CpuKernel, FusedKernel
from rnn_bench.models.kernels.library import Unavailable, is_known_to_win
from rnn_bench.models.precision import check_precision
from rnn_bench.models.recurrent import RecurrentClassifier
from rnn_bench.models.torch_cell import TorchCell

log = logging.getLogger(__name__)


def fused_kernel(config: Config, device: torch.device) -> FusedKernel | None:
    """Return the fused kernel if `model.kernel` chooses it; None if torch computes the model.

    `auto` chooses it where it computes the same and is known to be faster, so on no GPU.

    Raises:
        ConfigError: `model.kernel=fused`, and it cannot be used.
    """
    model = config.model
    if not isinstance(model, Recurrent) or model.kernel == "torch":
        return None
    required = model.kernel == "fused"
    if required:
        check_precision(config.protocol.precision, device, model.kernel)
    elif (
        device.type != "cpu"
        or RecurrentClassifier.beyond_fused(model.cell)
        or config.protocol.precision != "float32"
        or not is_known_to_win()
    ):
        return None
    try:
        return kernel_for(device, model, config.protocol.precision, Path(config.cache_dir))
    except Unavailable as reason:
        if required:
            raise ConfigError(f"model.kernel=fused is not possible: {reason}.") from reason
        log.info("torch computes the recurrence, for the fused kernel cannot be used: %s.", reason)
        return None


def kernel_for(
    device: torch.device, model: Recurrent, precision: str, cache_dir: Path
) -> FusedKernel:
    """Return the kernel that computes a model's cells on a device.

    Raises:
        Unavailable: there is none, or it cannot be compiled here.
    """
    if device.type == "cpu":
        return CpuKernel(cache_dir)
    if device.type == "cuda":
        cell = cast(type[TorchCell], cell_class(model.cell)).fused
        return CudaKernel(cache_dir, device, cell, model.hidden_size, precision)
    raise Unavailable(f"it computes on cpu and cuda, not on {device}")

"""The precision of a network's products: `protocol.precision`.

float32 and TF32 differ by flags of torch, which only CUDA heeds. bfloat16 is torch's autocast, but
for three things. torch's own layers on a CPU under autocast each compute something else, and the
LSTM needs a processor with AVX-512; so `TorchCell` computes its steps itself, as cuDNN does. cuDNN
gets float16 from autocast, so `TorchCell` gives it bfloat16 itself. And the logits are summed in
float32 without being rounded.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from rnn_bench.config.errors import ConfigError

TENSOR_CORES = (8, 0)  # the first compute capability with TF32 and bfloat16
DEVICES = {"float32": ("cpu", "cuda", "mps"), "tf32": ("cuda",), "bfloat16": ("cpu", "cuda")}
FUSED_DEVICES = {"float32": DEVICES["float32"], "bfloat16": ("cuda",)}  # of the fused kernels


def check_precision(precision: str, device: torch.device, kernel: str = "auto") -> None:
    """Check that a kind of device computes a precision, by the `kernel` that is asked for.

    Raises:
        ConfigError: it does not.
    """
    known = FUSED_DEVICES if kernel == "fused" else DEVICES
    if device.type not in known.get(precision, ()):
        others = [each for each, devices in known.items() if device.type in devices]
        of = " with model.kernel=fused" if kernel == "fused" else ""
        raise ConfigError(
            f"protocol.precision={precision} is not possible on {device}{of}: it computes "
            f"{' and '.join(others)}."
        )


def check_tensor_cores(precision: str, device: torch.device) -> None:
    """Check that a GPU has the precision; on CUDA this takes the GPU's memory for the process.

    Raises:
        ConfigError: it is too old.
    """
    if precision != "float32" and device.type == "cuda":
        capability = torch.cuda.get_device_capability(device)
        if capability < TENSOR_CORES:
            raise ConfigError(
                f"protocol.precision={precision} is not possible on {device}, of compute "
                f"capability {'.'.join(map(str, capability))}: it takes 8.0."
            )


@contextmanager
def products_in(precision: str, device: torch.device) -> Iterator[None]:
    """Let cuDNN and cuBLAS round the inputs of float32 products to TF32 within the block, forward
    and backward, or keep them from it."""
    if device.type != "cuda":  # whose flags are those of all threads
        yield
        return
    cudnn, cublas = torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.allow_tf32, cublas.allow_tf32
    cudnn.allow_tf32 = cublas.allow_tf32 = precision == "tf32"
    try:
        yield
    finally:
        cudnn.allow_tf32, cublas.allow_tf32 = before


def logits_in(
    precision: str,
    model: nn.Module,
    tokens: Int[Tensor, "batch time"],
    lengths: Int[Tensor, " batch"],
) -> Float[Tensor, "batch classes"]:
    """Return a network's logits, with its products in bfloat16 if that is the precision."""
    if precision != "bfloat16":
        return model(tokens, lengths)  # type: ignore[no-any-return]
    with torch.autocast(tokens.device.type, torch.bfloat16):
        logits: Tensor = model(tokens, lengths)
    return logits.float()


def is_bfloat16(device: torch.device) -> bool:
    """Return whether products are to be computed in bfloat16 here: within autocast."""
    return torch.is_autocast_enabled(device.type)


def rounded(values: Tensor) -> Tensor:
    """Return numbers rounded to those that bfloat16 has. Gradients are rounded too."""
    return values.bfloat16().to(values.dtype)


def product(
    inputs: Float[Tensor, "... features"],
    weight: Float[Tensor, "outputs features"],
    bias: Float[Tensor, " outputs"],
) -> Float[Tensor, "... outputs"]:
    """Return W x + b of rounded numbers, summed in float32: two numbers of bfloat16 have an exact
    product in float32. The products for the gradients take a rounded gradient."""
    with torch.autocast(inputs.device.type, enabled=False):
        outputs = F.linear(inputs, weight, bias)
    if outputs.requires_grad:
        outputs.register_hook(rounded)
    return outputs


def linear(layer: nn.Linear, inputs: Float[Tensor, "... features"]) -> Float[Tensor, "... outputs"]:
    """Return the outputs of a linear layer in float32; within autocast from rounded inputs and
    weights."""
    if not is_bfloat16(inputs.device):
        return layer(inputs)  # type: ignore[no-any-return]
    return product(rounded(inputs), rounded(layer.weight), rounded(layer.bias))

"""Compile the kernel for GPUs, and call it from autograd."""

import ctypes
import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from rnn_bench.config.errors import OutOfMemory
from rnn_bench.models.kernels.fused import FusedKernel, refuse_second_gradients
from rnn_bench.models.kernels.library import FusedCell, Readout, Unavailable
from rnn_bench.models.precision import products_in, rounded
from rnn_bench.models.torch_cell import TorchCell

SOURCES = Path(__file__).parent
PRODUCTS = {"float32": "float32.h", "bfloat16": "bfloat16.h"}  # the source of each precision
KERNELS = ("recurrence_forward", "recurrence_backward")
MOST_UNITS, MOST_UNITS_OF_ONE_BLOCK = 256, 128
UNITS_IN_A_CLUSTER = 64  # of each block
SHARED_IN_A_CLUSTER = {  # KiB of each block, of RNN, GRU and LSTM, by its blocks
    "float32": {3: (8, 52, 88), 4: (8, 92, 160)},
    "bfloat16": {3: (7, 27, 57), 4: (9, 60, 98)},
}


@dataclass(frozen=True)
class Layout:
    """How the kernel is split into blocks and threads; the sources have the same numbers.

    Attributes:
        units: of a block, a multiple of 32.
        blocks: that share all units of the same articles: 1, or those of a cluster.
        articles: that these blocks take from their first step to their last.
        threads: of a block.
        shared: bytes of shared memory of a block. The source has it checked when it is compiled.
    """

    units: int
    blocks: int
    articles: int
    threads: int
    shared: int

    @property
    def least_capability(self) -> tuple[int, int]:
        """The compute capability that a GPU needs: clusters came with 9.0."""
        return (8, 0) if self.blocks == 1 else (9, 0)


def layout_of(cell: FusedCell, hidden_size: int, precision: str) -> Layout:
    """Return the layout for a cell with so many units, at most MOST_UNITS."""
    rounds = precision == "bfloat16"
    if hidden_size <= MOST_UNITS_OF_ONE_BLOCK:
        units = -(-hidden_size // 32) * 32
        is_largest = cell is FusedCell.LSTM and units == MOST_UNITS_OF_ONE_BLOCK
        shared = 17 if rounds else 96 if is_largest else 8
        return Layout(units, 1, 8 if rounds else 2, 2 * units, shared * 1024)
    units = UNITS_IN_A_CLUSTER
    blocks = -(-hidden_size // units)
    shared = SHARED_IN_A_CLUSTER[precision][blocks][cell]
    articles, threads = (8, 2 * units) if rounds else (4, 4 * units)
    return Layout(units, blocks, articles, threads, shared * 1024)


class CudaKernel(FusedKernel):
    """The kernel for a GPU, with products in float32 or bfloat16.

    In bfloat16 it rounds what `TorchCell` does on a CPU.

    Raises:
        Unavailable: the GPU is too old, the cell too large, or the kernel cannot be compiled.
    """

    def __init__(
        self,
        cache_dir: Path,
        device: torch.device,
        cell: FusedCell,
        hidden_size: int,
        precision: str,
    ) -> None:
        self.arguments = cache_dir, device, cell, hidden_size, precision
        if hidden_size > MOST_UNITS:
            raise Unavailable(
                f"on a GPU it computes at most {MOST_UNITS} units, and hidden_size={hidden_size}"
            )
        self.layout = layout_of(cell, hidden_size, precision)
        capability = torch.cuda.get_device_capability(device)
        if capability < self.layout.least_capability:
            least, found = (
                ".".join(map(str, each)) for each in (self.layout.least_capability, capability)
            )
            what = "it" if self.layout.blocks == 1 else f"hidden_size={hidden_size}"
            raise Unavailable(
                f"{what} needs compute capability {least}, and "
                f"{torch.cuda.get_device_name(device)} has {found}"
            )
        index = torch.cuda.current_device() if device.index is None else device.index
        self.device, self.precision = torch.device("cuda", index), precision
        self.kernels = load(cache_dir, index, capability, cell, self.layout, precision)

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:  # a kernel that is loaded has no copy
        return CudaKernel, self.arguments

    def launch(
        self, name: str, cell: FusedCell, articles: int, *arguments: Tensor | int | None
    ) -> None:
        """Start a kernel of the source on torch's stream, for so many articles.

        Raises:
            RuntimeError: CUDA cannot start it.
        """
        from cuda.core import LaunchConfig, launch

        config = LaunchConfig(
            grid=-(-articles // self.layout.articles) * self.layout.blocks,
            block=self.layout.threads,
            shmem_size=self.layout.shared,
        )
        stream = _stream(torch.cuda.current_stream(self.device).cuda_stream)
        try:
            with torch.cuda.device(self.device):
                launch(stream, config, self.kernels[name], *map(_as_argument, arguments))
        except Exception as error:  # cuda-core's are of no class that it names
            raise RuntimeError(f"CUDA error: {error}") from error

    def _compute(
        self, cell: TorchCell, inputs: Tensor, lengths: Tensor, readout: Readout, backwards: bool
    ) -> Tensor:
        """Return a cell's readout or its states, computed on the GPU.

        Raises:
            ValueError: a tensor is not of float32 on the kernel's device, or there are no lengths.
        """
        read = (inputs, *cell.weights)
        if any(each.dtype != torch.float32 or each.device != self.device for each in read):
            raise ValueError(f"The kernel computes with float32 on {self.device}.")
        if len(lengths) == 0:
            raise ValueError("Lengths must be given.")
        inputs, *weights = map(rounded, read) if self.precision == "bfloat16" else read
        lengths = lengths.to(self.device, torch.int64).contiguous()
        states: Tensor = _Recurrence.apply(  # type: ignore[no-untyped-call]
            self, cell, backwards, torch.is_grad_enabled(), inputs, lengths, *weights
        )
        if readout is Readout.EVERY_STEP:
            return states.transpose(0, 1)
        if readout is Readout.LAST:
            last = torch.zeros_like(lengths) if backwards else lengths - 1
            return states[torch.arange(len(states), device=self.device), last]
        if readout is Readout.MEAN:  # states in the padding are 0
            return states.sum(1) / lengths[:, None]
        return states.masked_fill(~_inside(lengths, states), -torch.inf).amax(1)


class _Recurrence(torch.autograd.Function):
    """Computes a cell's states, [batch, time, hidden], 0 in the padding."""

    @staticmethod
    def forward(
        ctx: Any,
        kernel: CudaKernel,
        cell: TorchCell,
        backwards: bool,
        training: bool,
        inputs: Tensor,
        lengths: Tensor,
        *weights: Tensor,
    ) -> Tensor:
        w, u, b, b_hidden = weights
        (batch, time, _), hidden = inputs.shape, cell.recurrence.hidden_size
        # The n gate of the GRU multiplies U h + b' by r, so that the kernel adds its b'.
        of_n = b_hidden[2 * hidden :].contiguous() if cell.fused is FusedCell.GRU else None
        added = b_hidden if of_n is None else F.pad(b_hidden[: 2 * hidden], (0, hidden))
        with _large_products(kernel):
            gates = F.linear(inputs, _by_unit(w, hidden), _by_unit(b + added, hidden)).contiguous()
        training = training and any(ctx.needs_input_grad)
        states = inputs.new_zeros(batch, time, hidden)
        # An RNN that rounds its states keeps them as they were before; else the states are enough.
        is_rnn = cell.fused is FusedCell.RNN
        keeps = training and not (is_rnn and kernel.precision == "float32")
        extra = torch.empty_like(states) if keeps else None
        ctx.shape = batch, time, hidden, int(backwards)
        tensors = u.contiguous(), of_n, gates, states, extra
        kernel.launch(KERNELS[0], cell.fused, batch, lengths, *ctx.shape, *tensors)
        if training:
            kept = None if is_rnn else gates, states if extra is None else extra
            ctx.save_for_backward(inputs, lengths, w, u, states, *kept)
            ctx.kernel, ctx.cell = kernel, cell.fused
        return states

    @staticmethod
    def backward(ctx: Any, d_states: Tensor) -> tuple[Tensor | None, ...]:
        refuse_second_gradients()
        inputs, lengths, w, u, states, gates, extra = ctx.saved_tensors
        batch, time, hidden, backwards = ctx.shape
        # Of the GRU's four gradients the first three are of W x + b, the last three of U h + b'.
        gru, count = ctx.cell is FusedCell.GRU, len(u) // hidden
        d_gates = inputs.new_zeros(batch * time, hidden, count + gru)
        ctx.kernel.launch(
            *(KERNELS[1], ctx.cell, batch, lengths, *ctx.shape),
            *(u.contiguous(), gates, states, extra, d_states.contiguous(), d_gates),
        )
        of_inputs, of_hidden = d_gates[..., :count].flatten(1), d_gates[..., gru:].flatten(1)
        shift = gru * hidden  # n comes first in of_inputs, and last in the weights
        read = inputs.masked_fill(~_inside(lengths, inputs), 0).flatten(0, 1)
        before = F.pad(states, (0, 0, -1, 1) if backwards else (0, 0, 1, -1)).flatten(0, 1)
        with _large_products(ctx.kernel):
            d_inputs = None
            if ctx.needs_input_grad[4]:
                d_inputs = (of_inputs @ _by_unit(w.roll(shift, 0), hidden)).view_as(inputs)
            d_weights = (
                _by_gate(of_inputs.T @ read, hidden).roll(-shift, 0),
                _by_gate(of_hidden.T @ before, hidden),
                _by_gate(of_inputs.sum(0), hidden).roll(-shift, 0),
                _by_gate(of_hidden.sum(0), hidden),
            )
        return None, None, None, None, d_inputs, None, *d_weights


@contextmanager
def _large_products(kernel: CudaKernel) -> Iterator[None]:
    """Let torch multiply in float32 within the block, or, where all numbers are rounded to
    bfloat16, in TF32, which has them all: either way with exact products and sums in float32."""
    precision = "tf32" if kernel.precision == "bfloat16" else "float32"
    with torch.autocast(kernel.device.type, enabled=False), products_in(precision, kernel.device):
        yield


def _by_unit(rows: Tensor, hidden: int) -> Tensor:
    """Return weights or biases, gate after gate, as unit after unit."""
    return rows.reshape(-1, hidden, *rows.shape[1:]).transpose(0, 1).flatten(0, 1)


def _by_gate(rows: Tensor, hidden: int) -> Tensor:
    """Undo `_by_unit`."""
    return rows.reshape(hidden, -1, *rows.shape[1:]).transpose(0, 1).flatten(0, 1)


@functools.cache
def load(
    cache_dir: Path,
    device: int,
    capability: tuple[int, int],
    cell: FusedCell,
    layout: Layout,
    precision: str,
) -> dict[str, Any]:
    """Return the kernels of a cell by name, loaded for a GPU. They are compiled into
    `<cache_dir>/kernels/cuda` unless they are there.

    Raises:
        Unavailable: cuda-core is not installed, or they cannot be compiled or loaded.
        OutOfMemory: the GPU has no room for this process.
    """
    try:
        from cuda.bindings import driver
        from cuda.core import Device
        from cuda.core.utils import FileStreamProgramCache
    except ImportError as error:
        raise Unavailable("cuda-core is not installed: pip install 'rnn_bench[gpu]'") from error
    try:
        cache = FileStreamProgramCache(cache_dir / "kernels" / "cuda")
        code = program(capability, cell, layout, precision).compile("cubin", cache=cache)
        most = driver.CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
        size = layout.shared
        with torch.cuda.device(device):
            Device(device).set_current()
            loaded = {name: code.get_kernel(name) for name in KERNELS}
            for kernel in loaded.values():
                (status,) = driver.cuKernelSetAttribute(most, size, kernel.handle, device)
                if status != driver.CUresult.CUDA_SUCCESS:
                    gpu = torch.cuda.get_device_name(device)
                    raise RuntimeError(
                        f"{gpu} gives a block no {size} bytes of shared memory ({status.name})"
                    )
    except Exception as error:  # of NVRTC, of the driver, or of the cache folder
        if "CUDA_ERROR_OUT_OF_MEMORY" in str(error):
            raise OutOfMemory(f"out of memory: {error}") from error
        raise Unavailable(f"it cannot be compiled or loaded: {error}") from error
    return loaded


def program(
    capability: tuple[int, int],
    cell: FusedCell,
    layout: Layout,
    precision: str,
    ptxas_options: Sequence[str] = (),
) -> Any:
    """Return the kernels of a cell as a `cuda.core.Program`, to be compiled."""
    from cuda.core import Program, ProgramOptions

    sizes = {"UNITS": layout.units, "BLOCKS": layout.blocks, "SHARED": layout.shared}
    constants = {"CELL": cell.name, **sizes}
    options = ProgramOptions(
        std="c++17",
        arch=f"sm_{capability[0]}{capability[1]}",
        define_macro=[(f"COMPILED_{name}", str(value)) for name, value in constants.items()],
        ptxas_options=list(ptxas_options) or None,
    )
    parts = ("cluster.h", PRODUCTS[precision], "recurrence.cu")
    return Program("".join((SOURCES / part).read_text() for part in parts), "c++", options)


@functools.cache
def _stream(handle: int) -> Any:
    """Return a stream of torch's as one of cuda-core's."""
    from cuda.core import Stream

    return Stream.from_handle(handle)


def _as_argument(value: Tensor | int | None) -> Any:
    """Return what cuda-core hands to a kernel: a tensor is a pointer to its numbers."""
    if isinstance(value, Tensor):
        return value.data_ptr()
    return 0 if value is None else ctypes.c_int32(value)


def _inside(lengths: Tensor, values: Tensor) -> Tensor:
    """Return whether each step is a token of its article, [batch, time, 1]."""
    steps = torch.arange(values.shape[1], device=values.device)
    return (steps < lengths[:, None])[..., None]

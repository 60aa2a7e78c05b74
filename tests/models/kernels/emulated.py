"""The CUDA kernel's source on the CPU, for its arithmetic."""

import ctypes
import subprocess
from pathlib import Path

import torch
from torch import Tensor

from rnn_bench.models.kernels.cuda import kernel as cuda
from rnn_bench.models.kernels.cuda.kernel import CudaKernel, layout_of
from rnn_bench.models.kernels.library import FusedCell, compiler

FENCE = 1000
OPTIONS = ("-std=c++20", "-O1", "-U_FORTIFY_SOURCE", "-fPIC", "-shared", "-Wno-unknown-pragmas")


class Emulation:
    """The sources compiled for the CPU, with what emulates a GPU."""

    def __init__(self, folder: Path, precision: str) -> None:
        file, main = folder / f"{precision}.so", Path(__file__).with_name("emulated.cpp")
        about = f"-I{cuda.SOURCES}", f'-DPRODUCTS="{precision}.h"'
        subprocess.run([*compiler(), *OPTIONS, *about, main, "-o", file], check=True)
        self.precision, self.library = precision, ctypes.CDLL(str(file))


class EmulatedKernel(CudaKernel):
    """A `CudaKernel` whose launches are computed on the CPU, its warps in ascending or descending
    order, and in memory whose surroundings neither show in the results nor change."""

    def __init__(self, emulation: Emulation, hidden_size: int, descending: bool = False) -> None:
        self.library, self.precision = emulation.library, emulation.precision
        self.hidden_size, self.descending = hidden_size, descending
        self.device = torch.device("cpu")

    def launch(
        self, name: str, cell: FusedCell, articles: int, *arguments: Tensor | int | None
    ) -> None:
        layout = layout_of(cell, self.hidden_size, self.precision)
        groups = -(-articles // layout.articles)
        fenced = [(each, _fenced(each)) for each in arguments if isinstance(each, Tensor)]
        pointers = iter([ctypes.c_void_p(inside.data_ptr()) for _, (_, inside) in fenced])
        given = [next(pointers) if isinstance(each, Tensor) else each for each in arguments]
        getattr(self.library, name)(
            cell, layout.units, layout.blocks, groups, self.descending, *given
        )
        for tensor, (around, inside) in fenced:
            if tensor.is_floating_point():
                assert around[:FENCE].isnan().all()
                assert around[-FENCE:].isnan().all()
            tensor.data.copy_(inside)  # as a kernel does, unseen by autograd


def _fenced(tensor: Tensor) -> tuple[Tensor, Tensor]:
    """Return memory with NaN, or else 0, at both ends, and in it a copy of a tensor."""
    assert tensor.is_contiguous()
    beyond = torch.nan if tensor.is_floating_point() else 0
    around = tensor.new_full((tensor.numel() + 2 * FENCE,), beyond)
    inside = around[FENCE:-FENCE].view_as(tensor)
    inside.copy_(tensor)
    return around, inside

"""Compute the least time of training a token: its operations over the processor's peak.

A token costs a multiply-add for each weight of the recurrent layer in the forward pass. The
backward pass does as many again for the gradients of its inputs, and again for those of its
weights; a multiply-add is two operations: 6 for each weight in all. Embedding, readout and
optimizer are not counted.
"""

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import torch

from rnn_bench.models.cell import multiply_adds

SECONDS = 1.0
CPU_MATRIX, GPU_MATRIX = 2048, 8192


def operations_per_token(cell: str, embedding_dim: int, hidden_size: int) -> int:
    return 6 * multiply_adds(cell, embedding_dim, hidden_size)


def peak(device: str, threads: int) -> tuple[float, str]:
    """Return the 32-bit operations a second of a device, and how they were measured."""
    if device == "cuda":
        return matmul_peak("cuda", GPU_MATRIX), f"a product of matrices of {GPU_MATRIX}"
    compiler = shutil.which("c++")
    if compiler:
        with tempfile.TemporaryDirectory() as folder:
            program = Path(folder, "fma_peak")
            source = Path(__file__).with_name("fma_peak.cpp")
            build = [compiler, "-O3", "-march=native", "-pthread", str(source), "-o", str(program)]
            if subprocess.run(build, capture_output=True).returncode == 0:
                run = [str(program), str(threads), str(SECONDS)]
                output = subprocess.run(run, check=True, capture_output=True, text=True).stdout
                return float(output), "a compiled loop of multiply-adds"
    torch.set_num_threads(threads)
    return matmul_peak("cpu", CPU_MATRIX), f"a product of matrices of {CPU_MATRIX}"


def matmul_peak(device: str, size: int) -> float:
    """Return the operations a second of a square product, the best of a second's repetitions."""
    left, right = (torch.randn(size, size, device=device) for _ in range(2))
    best, end = 0.0, time.perf_counter() + SECONDS
    while best == 0.0 or time.perf_counter() < end:
        began = time.perf_counter()
        left @ right
        if device == "cuda":
            torch.cuda.synchronize()
        best = max(best, 2 * size**3 / (time.perf_counter() - began))
    return best

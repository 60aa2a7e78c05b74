"""The processor that a run is computed on, its threads and its memory."""

import contextlib
import ctypes
import os
import platform
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn

from rnn_bench.config.errors import ConfigError
from rnn_bench.config.schema import Config
from rnn_bench.models.baselines.baseline import Baseline, is_baseline
from rnn_bench.models.precision import check_precision
from rnn_bench.models.recurrent import RecurrentClassifier

# mallopt's parameters, from malloc.h of the GNU C library.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4
CUBLAS_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"  # an environment variable


def keep_freed_memory() -> None:
    """Make the GNU C library keep freed memory instead of returning it to the system.

    torch's LSTM on the CPU allocates and frees about 100 MB a step, and would spend half of its
    time on page faults. With another C library this does nothing.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(M_MMAP_MAX, 0)
    libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
    libc.mallopt(M_TOP_PAD, 256 * 2**20)


def cores() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def check_threads(threads: int) -> None:
    """Check that this machine has a core for each thread.

    Raises:
        ConfigError: it has fewer.
    """
    most = os.cpu_count() or 1
    if threads > most:
        raise ConfigError(
            f"threads={threads} is not possible: this machine has {most} cores. "
            f"Choose at most {most}, or null."
        )


def use_threads(threads: int | None) -> None:
    """Set the number of torch's CPU threads (None: all cores), and keep freed memory."""
    keep_freed_memory()
    torch.set_num_threads(threads or cores())


@contextlib.contextmanager
def deterministic_algorithms(wanted: bool) -> Iterator[None]:
    """If it is `wanted`, let torch, cuDNN and cuBLAS use deterministic algorithms alone while the
    block runs. An operation that has none then raises an error.

    In a process's first such block CUDA must not be in use yet: cuBLAS reads its variable when it
    starts.
    """
    if not wanted:
        yield
        return
    cudnn, workspace = torch.backends.cudnn, os.environ.get(CUBLAS_WORKSPACE)
    enabled, warns = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    chosen = cudnn.deterministic, cudnn.benchmark
    os.environ[CUBLAS_WORKSPACE] = ":4096:8"  # eight buffers of 4 MiB: one for each use of cuBLAS
    torch.use_deterministic_algorithms(True)
    cudnn.deterministic, cudnn.benchmark = True, False
    try:
        yield
    finally:
        cudnn.deterministic, cudnn.benchmark = chosen
        torch.use_deterministic_algorithms(enabled, warn_only=warns)
        if workspace is None:
            os.environ.pop(CUBLAS_WORKSPACE, None)
        else:
            os.environ[CUBLAS_WORKSPACE] = workspace


def find_device(name: str) -> torch.device:
    """Return the torch device that a `device` key names.

    Raises:
        ConfigError: this machine has no such device.
    """
    if name == "auto":
        mps = torch.backends.mps.is_available()
        name = "cuda" if torch.cuda.is_available() else "mps" if mps else "cpu"
    device = torch.device(name)
    gpus = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= gpus:
        raise ConfigError(f"device={name} is not possible: torch sees {gpus} CUDA devices here.")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise ConfigError("device=mps is not possible: torch sees no Metal device here.")
    return device


def run_device(config: Config) -> torch.device:
    """Return the device that a config's run is computed on: the CPU for a baseline.

    Raises:
        ConfigError: this machine has no such device, or it does not compute in
            `protocol.precision`.
    """
    device = find_device(config.device)
    if is_baseline(config.model):
        return torch.device("cpu")
    check_precision(config.protocol.precision, device)
    return device


def reset_peak_memory(device: torch.device) -> None:
    """Start a new measurement of `peak_memory_bytes`."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif sys.platform == "linux":
        with contextlib.suppress(OSError):  # some containers forbid it
            Path("/proc/self/clear_refs").write_text("5")  # proc(5): resets the peak resident set


def peak_memory_bytes(device: torch.device) -> int:
    """Return the peak memory in bytes since `reset_peak_memory`.

    On CUDA it is what torch allocated on the GPU, else the resident memory of the process; where
    the system has no reset, since the process started.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if sys.platform == "linux":
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def held_gpu_memory() -> int:
    """Return the most memory in bytes that torch has held on this process's GPU, in use or not, so
    that no other process could have it; 0 if it used none. The CUDA context comes on top."""
    return torch.cuda.max_memory_reserved() if torch.cuda.is_initialized() else 0


def device_name(device: torch.device) -> str:
    """Return the GPU's model name on CUDA, else `cpu` or `mps`."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def kernel(model: nn.Module, device: torch.device, precision: str) -> str:
    """Return the name of the code that computes a model."""
    if isinstance(model, Baseline):
        return "scikit-learn"
    if isinstance(model, RecurrentClassifier):
        return model.kernel_name(device, precision)
    return "torch"

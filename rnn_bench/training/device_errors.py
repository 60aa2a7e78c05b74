"""What torch's errors about a device mean to the user of a run."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from rnn_bench.config.errors import ConfigError, OutOfMemory

# Where CUDA and its libraries allocate by themselves, they say neither what they asked for nor what
# is free: a context, a handle of cuBLAS or cuDNN.
ALLOCATIONS = (
    "CUDA error: out of memory",
    "CUDA driver error: out of memory",
    "CUDA_ERROR_OUT_OF_MEMORY",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",  # its name since cuDNN 9
    "CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate",  # as cuBLAS mostly puts it
)


@contextmanager
def explained_device_errors() -> Iterator[None]:
    """Explain an error of torch's that the block raises, if the device or its settings cause it.

    Raises:
        ConfigError: an operation has no deterministic version, and `deterministic=true`.
        OutOfMemory: something does not fit into the device's memory.
    """
    try:
        yield
    except RuntimeError as error:
        for each in _with_hidden(error):
            if explanation := _explained(each):
                raise explanation from error
        raise


@contextmanager
def explained_capture_errors() -> Iterator[None]:
    """Explain what ended the capture of a training step as a CUDA graph in the block. torch cannot
    go on in that process.

    Raises:
        ConfigError: something in the step cannot be captured.
        OutOfMemory: something does not fit into the device's memory.
    """
    try:
        with explained_device_errors():
            yield
    except RuntimeError as error:
        *_, first = _with_hidden(error)
        said = next(iter(str(first).splitlines()), type(first).__name__).rstrip(".")
        raise ConfigError(
            f"model.graph=auto is not possible: {said}. With model.graph=off the run goes on after "
            "its last epoch."
        ) from error


def _with_hidden(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and those it hides: what ends the capture of a CUDA graph makes the end of the
    capture an error too, which is the one that is raised."""
    hidden: BaseException | None = error
    while hidden:
        yield hidden
        hidden = hidden.__cause__ or hidden.__context__


def _explained(error: BaseException) -> ConfigError | OutOfMemory | None:
    text = str(error)
    if isinstance(error, torch.OutOfMemoryError) or any(each in text for each in ALLOCATIONS):
        return OutOfMemory(what_does_not_fit(text))
    sentence, stop, _ = text.partition(". ")
    if "does not have a deterministic implementation" in sentence:
        return ConfigError(f"deterministic=true is not possible: {f'{sentence}{stop}'.strip()}")
    if "not deterministic because it uses CuBLAS" in sentence:  # torch looked once, and remembers
        return ConfigError(
            "deterministic=true is not possible: this process used CUDA without it before. Make "
            "the run in a process of its own."
        )
    return None


def what_does_not_fit(text: str) -> str:
    """Return what was asked for and what the device has free, with the numbers and units of torch's
    own message, which counts in powers of 1024; without numbers the first line of the message."""
    asked = re.search(r"Tried to allocate (\S+ \w+)", text)
    free = re.search(r"of which (\S+ \w+) is free", text)
    if not asked:
        return f"out of memory: {next(iter(text.splitlines()), '')}"
    known = f", {free[1]} free" if free else ""
    return f"out of memory: {asked[1]} asked for{known}"

"""Runs that do not fit into the memory of their device, beside others and alone."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from mlflow.entities import Run

from rnn_bench.config.errors import OutOfMemory
from rnn_bench.training.device_errors import explained_device_errors
from tests.conftest import SMALL_CORPUS, Command

Runs = Callable[[], list[Run]]

# torch's own words, c10/cuda/CUDACachingAllocator.cpp.
MESSAGE = (
    "CUDA out of memory. Tried to allocate 1.95 GiB. GPU 0 has a total capacity of 14.57 GiB of "
    "which 1.58 GiB is free. Process 2493055 has 12.02 GiB memory in use. Including non-PyTorch "
    "memory, this process has 966.00 MiB memory in use. Of the allocated memory 734.07 MiB is "
    "allocated by PyTorch, and 33.93 MiB is reserved by PyTorch but unallocated. If reserved but "
    "unallocated memory is large try setting PYTORCH_ALLOC_CONF=expandable_segments:True to avoid "
    "fragmentation.  See documentation for Memory Management  "
    "(https://pytorch.org/docs/stable/notes/cuda.html#environment-variables)"
)
SAYS = "out of memory: 1.95 GiB asked for, 1.58 GiB free"

# Model 0 does not fit the first `fails` times, while model 1 is there, which waits for the end of
# the process in which that happened.
MODEL = """
import contextlib, os, time
from pathlib import Path
import torch
from torch import nn
class Large(nn.Module):
    def __init__(self, number, fails, *, vocabulary_size, classes, readout):
        super().__init__()
        self.output = nn.Linear(1, classes)
        tries = [*Path(".").glob("try-*")]
        if number == 0 and len(tries) < fails:
            while not Path("neighbour").exists():
                time.sleep(0.01)
            Path(f"try-{os.getpid()}").touch()
            raise torch.OutOfMemoryError(MESSAGE)
        if number == 1:
            Path("neighbour").touch()
            while not (tries := [*Path(".").glob("try-*")]):
                time.sleep(0.01)
            with contextlib.suppress(ProcessLookupError):
                while os.kill(int(tries[0].name[4:]), 0) is None:
                    time.sleep(0.01)
    def forward(self, tokens, lengths):
        return self.output(lengths[:, None].float())
"""


@pytest.fixture
def large(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """The overrides of a sweep of models that do not fit at first."""
    (workplace / "conf" / "model").mkdir(parents=True)
    (workplace / "conf/model/large.yaml").write_text(
        "_target_: my_large.Large\nname: large\nnumber: 0\nfails: 1\n"
    )
    (workplace / "my_large.py").write_text(f"MESSAGE = {MESSAGE!r}\n{MODEL}")
    monkeypatch.syspath_prepend(workplace)
    return ("--config-dir", "conf", "model=large", *SMALL_CORPUS, "protocol.epochs=1")


def test_a_run_that_others_left_no_room_for_is_tried_again_beside_fewer(
    large: tuple[str, ...], rnn_bench: Command, recorded_runs: Runs
) -> None:
    answer = rnn_bench(*large, "-m", "model.number=0,1", "hydra.launcher.jobs=2")
    assert answer.status == 0
    assert answer.out.count(f" failed: {SAYS}. It is tried again.\n") == 1
    assert answer.out.count("From now on the CPU takes 1 run at once.\n") == 1
    runs = {run.data.params["model.number"]: run for run in recorded_runs()}
    assert len(recorded_runs()) == 2, "attempts share a row"
    assert runs["0"].data.tags["concurrent_jobs"] == "1"
    assert runs["1"].data.tags["concurrent_jobs"] == "2"
    assert "error" not in runs["0"].data.tags


def test_a_run_that_does_not_fit_alone_has_failed(
    large: tuple[str, ...], rnn_bench: Command, recorded_runs: Runs, workplace: Path
) -> None:
    (workplace / "neighbour").touch()
    answer = rnn_bench(*large, "-m", "model.fails=1,2", "hydra.launcher.jobs=1")
    assert answer.status == 1
    failed = [run for run in recorded_runs() if run.info.status == "FAILED"]
    assert [run.data.tags["error"] for run in failed] == [SAYS] * 2
    assert answer.out.count(f" failed: {SAYS}\n") == 2
    assert "It is tried again" not in answer.out
    assert "at once." not in answer.out.replace("2 runs, 1 at once.", "")
    assert "Traceback" not in answer.out + answer.err


def test_a_second_failure_is_the_run_s_own_and_a_device_keeps_a_slot(
    large: tuple[str, ...], rnn_bench: Command, recorded_runs: Runs
) -> None:
    answer = rnn_bench(*large, "-m", "model.number=0,1", "model.fails=2", "hydra.launcher.jobs=2")
    assert answer.status == 1
    assert answer.out.count(f" failed: {SAYS}. It is tried again.\n") == 1
    assert answer.out.count(f" failed: {SAYS}\n") == 1
    assert answer.out.count("From now on the CPU takes 1 run at once.\n") == 1
    outcomes = {run.data.params["model.number"]: run.info.status for run in recorded_runs()}
    assert outcomes == {"0": "FAILED", "1": "FINISHED"}


def test_a_single_run_says_it_in_a_line(
    large: tuple[str, ...], rnn_bench: Command, workplace: Path
) -> None:
    (workplace / "neighbour").touch()
    answer = rnn_bench(*large)
    assert (answer.status, answer.err.splitlines()) == (2, [SAYS])


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (torch.OutOfMemoryError(MESSAGE), SAYS),
        (
            torch.OutOfMemoryError("HIP out of memory. Tried to allocate 512.00 MiB."),
            "out of memory: 512.00 MiB asked for",
        ),
        (
            RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be"),
            "out of memory: CUDA error: out of memory",
        ),
        (
            RuntimeError(
                "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"
            ),
            "out of memory: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling "
            "`cublasCreate(handle)`",
        ),
        (
            RuntimeError("CUDA error: CUDA_ERROR_OUT_OF_MEMORY: The API call failed"),
            "out of memory: CUDA error: CUDA_ERROR_OUT_OF_MEMORY: The API call failed",
        ),
        (
            RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
            "out of memory: cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        ),
        (
            RuntimeError(
                "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`"
            ),
            "out of memory: CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling "
            "`cublasCreate(handle)`",
        ),
        (
            RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
            "out of memory: cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
        ),
    ],
)
def test_the_numbers_and_units_are_those_of_torch(error: RuntimeError, says: str) -> None:
    with pytest.raises(OutOfMemory) as raised, explained_device_errors():
        raise error
    assert str(raised.value) == says


def test_the_end_of_a_capture_hides_no_reason() -> None:
    """torch ends the capture of a CUDA graph when the block that it captures raises an error."""

    def fail() -> None:
        try:
            raise torch.OutOfMemoryError(MESSAGE)
        finally:
            raise RuntimeError("CUDA error: operation failed due to a previous error in capture")

    with pytest.raises(OutOfMemory) as raised, explained_device_errors():
        fail()
    assert str(raised.value) == SAYS


def test_another_error_stays_as_it_is() -> None:
    with pytest.raises(RuntimeError, match="memory of an elephant"), explained_device_errors():
        raise RuntimeError("memory of an elephant")

"""Training on a GPU: `make test-gpu` runs these tests, `make test` does not.

Without a GPU they are skipped. RNN_BENCH_TEST_DEVICE=cpu runs those that a CPU can pass, to show
that the tests are right.
"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from mlflow.entities import Run

from rnn_bench.training.device import CUBLAS_WORKSPACE
from tests.survival.long_run import history

# Tests share a process, and torch looks at this variable once, with the first product on a GPU.
os.environ.setdefault(CUBLAS_WORKSPACE, ":4096:8")
DEVICE = os.environ.get("RNN_BENCH_TEST_DEVICE", "cuda")


@pytest.fixture(autouse=True)
def device() -> str:
    """The value of the `device` key."""
    if DEVICE.startswith("cuda") and not torch.cuda.is_available():
        pytest.skip("torch sees no GPU here")
    return DEVICE


@pytest.fixture
def gpu(device: str) -> torch.device:
    """The device of a test that only a GPU can pass."""
    if not device.startswith("cuda"):
        pytest.skip(f"only a GPU can pass it, and RNN_BENCH_TEST_DEVICE={device}")
    return torch.device(device)


@pytest.fixture
def at_once(device: str) -> Callable[[int], str]:
    """The override by which a sweep trains so many runs on the device at once."""
    key = "jobs_per_gpu" if device.startswith("cuda") else "jobs"
    return lambda count: f"hydra.launcher.{key}={count}"


Losses = Callable[[Run], list[tuple[int, float]]]


@pytest.fixture
def losses(workplace: Path) -> Losses:
    """The recorded train and validation losses of a run, with their epochs."""
    return lambda run: [
        *history(workplace, run, "train_loss"),
        *history(workplace, run, "val_loss"),
    ]

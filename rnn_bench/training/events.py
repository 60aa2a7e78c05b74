"""What a run reports while it goes on, for a progress bar or the table of a sweep."""

from collections.abc import Callable
from dataclasses import dataclass

from rnn_bench.training.epochs import EpochResult


class Waiting:
    """Another process is at the run, and is waited for."""


@dataclass(frozen=True)
class Started:
    """A run has its row in MLflow. `done` of its `epochs` were trained before."""

    run_id: str
    name: str
    epochs: int
    done: int = 0


@dataclass(frozen=True)
class BatchDone:
    """`done` of the epoch's `total` batches."""

    done: int
    total: int


@dataclass(frozen=True)
class EpochDone:
    result: EpochResult
    tokens_per_second: float


@dataclass(frozen=True)
class Ended:
    """finished, diverged or reused, with what the test says."""

    run_id: str
    outcome: str
    test_accuracy: float


Event = Waiting | Started | BatchDone | EpochDone | Ended


Watch = Callable[[Event], None]

"""The events that a run reports to the progress bar or to the table of its sweep."""

from collections.abc import Callable
from dataclasses import dataclass

from rnn_bench.training.epochs import EpochResult


class Waiting:
    """The run waits: another process trains it, or MLflow cannot be reached."""


@dataclass(frozen=True)
class Started:
    """The run has its row in MLflow. `done` of its `epochs` were trained earlier."""

    run_id: str
    name: str
    epochs: int
    done: int = 0


@dataclass(frozen=True)
class BatchDone:
    """A batch is trained: `done` of the epoch's `total`."""

    done: int
    total: int


@dataclass(frozen=True)
class EpochDone:
    """An epoch is trained and recorded. `gpu_memory` is what torch has held on a GPU at most, in
    bytes."""

    result: EpochResult
    tokens_per_second: float
    gpu_memory: int = 0


@dataclass(frozen=True)
class Ended:
    """The run has its result. `outcome` is finished, diverged, unlearned or reused.
    `test_accuracy` is None of a run that reads no test articles."""

    run_id: str
    outcome: str
    test_accuracy: float | None


Event = Waiting | Started | BatchDone | EpochDone | Ended
Watch = Callable[[Event], None]

"""A run of a sweep as its launcher sees it: what it is, and how far it has come."""

import time
from dataclasses import dataclass, field

from rnn_bench.config.composition import Job
from rnn_bench.data.encoding import EncodedCorpus
from rnn_bench.training.epochs import EpochResult
from rnn_bench.training.events import BatchDone, Ended, EpochDone, Event, Started, Waiting

ANSWERED = ("finished", "diverged", "reused")


@dataclass
class Task:
    """`expected` is in seconds, `key` the run's, and `gpu` the number of the only GPU it may use
    (-1: any, None: the CPU). One that another sweep is at is `elsewhere`."""

    job: Job
    corpus: EncodedCorpus
    name: str
    key: str
    expected: float
    gpu: int | None
    attempts: int = 0
    elsewhere: bool = False
    progress: "Progress" = field(default_factory=lambda: Progress())


@dataclass
class Progress:
    """How far an attempt at a run has come. `state` is waiting, starting, elsewhere (another
    sweep is at it), training, one of `ANSWERED`, failed or killed."""

    state: str = "waiting"
    run_id: str | None = None
    epochs: int = 0
    epoch: int = 0
    part: float = 0.0  # of the epoch that is being trained
    result: EpochResult | None = None
    tokens_per_second: float | None = None
    test_accuracy: float | None = None
    began: float | None = None  # time.monotonic(), as `ended`; `began` is when training did
    ended: float | None = None
    first_epoch: int = 0

    def observe(self, event: Event) -> None:
        match event:
            case Waiting():
                self.state = "elsewhere"
            case Started(run_id=run_id, epochs=epochs, done=done):
                self.state, self.run_id, self.epochs = "training", run_id, epochs
                self.epoch = self.first_epoch = done
                self.began = time.monotonic()
            case BatchDone(done=done, total=total):
                self.part = done / total
            case EpochDone(result=result, tokens_per_second=speed):
                self.epoch, self.part = result.epoch, 0.0
                self.result, self.tokens_per_second = result, speed
            case Ended(run_id=run_id, outcome=outcome, test_accuracy=accuracy):
                self.run_id, self.test_accuracy = run_id, accuracy
                self.end(outcome)

    def end(self, state: str) -> None:
        self.state, self.ended = state, time.monotonic()

    @property
    def is_over(self) -> bool:
        return self.ended is not None

    @property
    def seconds(self) -> float:
        """Since training began, to its end or now."""
        return 0.0 if self.began is None else (self.ended or time.monotonic()) - self.began

    def seconds_left(self) -> float | None:
        """Until the last epoch at the pace so far; None while there is none. Stopping early makes
        it less."""
        done = self.epoch + self.part - self.first_epoch
        if self.state != "training" or done <= 0:
            return None
        return max(0.0, self.epochs - self.epoch - self.part) * self.seconds / done


def seconds_left(tasks: list[Task], slots: int) -> float | None:
    """Until a sweep with so many runs at once is done. What waits takes what was expected of it,
    corrected by how expectations have come true so far; None before anything has."""
    expected = actual = left = longest = 0.0
    for task in tasks:
        here = task.progress.seconds_left()
        if here is not None:
            expected, actual = expected + task.expected, actual + task.progress.seconds + here
        elif task.progress.state in ("finished", "diverged"):
            expected, actual = expected + task.expected, actual + task.progress.seconds
    if not expected:
        return None
    for task in tasks:
        if not task.progress.is_over:
            here = task.progress.seconds_left()
            here = task.expected * actual / expected if here is None else here
            left, longest = left + here, max(longest, here)
    return max(left / slots, longest)

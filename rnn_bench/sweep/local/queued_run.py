"""A run of a sweep in the scheduler's queue, and its progress."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from rnn_bench.config.composition import Job
from rnn_bench.data.encoding import EncodedCorpus
from rnn_bench.models.baselines.baseline import is_baseline
from rnn_bench.sweep.local.devices import CUDA_CONTEXT, memory_need
from rnn_bench.sweep.local.throughput_search import Pace
from rnn_bench.tracking import schema
from rnn_bench.training.epochs import EpochResult
from rnn_bench.training.events import BatchDone, Ended, EpochDone, Event, Started, Waiting


@dataclass
class QueuedRun:
    """A run that waits, is being made, or has ended.

    `gpu` is its `wanted_gpu`, `attempts` counts its failed attempts, `is_elsewhere` says whether
    another sweep was making it when it was tried, and `was_crowded_out` whether it ran out of
    memory beside others once, which counts as no attempt.
    """

    job: Job
    corpus: EncodedCorpus
    name: str
    run_key: str
    estimated_seconds: float
    gpu: int | None
    attempts: int = 0
    is_elsewhere: bool = False
    was_crowded_out: bool = False
    progress: "Progress" = field(default_factory=lambda: Progress())

    @property
    def pace(self) -> Pace:
        """How far the run has come."""
        progress = self.progress
        untrained = 1 - progress.result.share if progress.result else 0.0  # of the last epoch
        epochs = progress.epoch + progress.fraction - untrained
        tokens = epochs * len(self.corpus.train.tokens)
        memory = 0.0
        if progress.gpu_memory:
            need = memory_need(self.job.config, self.corpus)
            memory = (progress.gpu_memory + CUDA_CONTEXT) / need
        return Pace(self.run_key, self.kind, progress.epoch, tokens, memory)

    @cached_property
    def kind(self) -> str:
        """The settings that decide how long a token of the corpus takes."""
        return f"{self.job.config.model} {self.job.config.protocol} {self.corpus.name}"

    def seconds_left(self) -> float | None:
        """Estimate the seconds to the end of training: of all epochs, or of the time for training
        if that is over sooner; None if there is no pace yet."""
        left, limit = self.progress.seconds_left(), self.job.config.protocol.train_seconds
        if left is None or limit is None or is_baseline(self.job.config.model):
            return left
        return min(left, max(0.0, limit - self.progress.training_seconds))


@dataclass
class Progress:
    """The progress of an attempt at a run.

    `state` is waiting, starting, elsewhere (another sweep is making the run), training, finished,
    diverged, unlearned, reused, failed or killed.
    """

    state: str = "waiting"
    run_id: str | None = None
    epochs: int = 0
    first_epoch: int = 0  # epochs trained before this attempt
    epoch: int = 0  # epochs trained
    fraction: float = 0.0  # trained of the current epoch
    result: EpochResult | None = None  # of the last epoch
    tokens_per_second: float | None = None
    gpu_memory: int = 0  # bytes that torch held on a GPU at most, 0 if that is not known
    test_accuracy: float | None = None
    began: float | None = None  # time.monotonic() when training began
    epoch_began: float = 0.0  # time.monotonic() when the current epoch did
    trained: float = 0.0  # seconds of training in this attempt's epochs, without validation
    ended: float | None = None

    def observe(self, event: Event) -> None:
        """Update the progress with an event of the run's process."""
        match event:
            case Waiting():
                self.state = "elsewhere"
            case Started(run_id=run_id, epochs=epochs, done=done):
                self.state, self.run_id, self.epochs = "training", run_id, epochs
                self.epoch = self.first_epoch = done
                self.began = self.epoch_began = time.monotonic()
            case BatchDone(done=done, total=total):
                self.fraction = done / total
            case EpochDone(result=result, tokens_per_second=speed, gpu_memory=memory):
                self.epoch, self.fraction = result.epoch, 0.0
                self.result, self.tokens_per_second, self.gpu_memory = result, speed, memory
                self.trained += result.training_seconds
                self.epoch_began = time.monotonic()
            case Ended(run_id=run_id, outcome=outcome, test_accuracy=accuracy):
                self.run_id, self.test_accuracy = run_id, accuracy
                self.end(outcome)

    def end(self, state: str) -> None:
        """Note that the run has ended in this state."""
        self.state, self.ended = state, time.monotonic()

    @property
    def is_over(self) -> bool:
        return self.ended is not None

    @property
    def is_training(self) -> bool:
        """Whether this attempt has trained on a batch and has no result yet."""
        return self.state == "training" and self.epoch + self.fraction > self.first_epoch

    @property
    def seconds(self) -> float:
        """The seconds from the beginning of training to its end, or to now."""
        return 0.0 if self.began is None else (self.ended or time.monotonic()) - self.began

    @property
    def training_seconds(self) -> float:
        """The seconds of training in this attempt, with the current epoch to now."""
        return self.trained + time.monotonic() - self.epoch_began

    def seconds_left(self) -> float | None:
        """Estimate the seconds to the last epoch at the pace so far; None if there is no pace yet.
        A run that stops early takes less."""
        done = self.epoch + self.fraction - self.first_epoch
        if self.state != "training" or done <= 0:
            return None
        return max(0.0, self.epochs - self.epoch - self.fraction) * self.seconds / done


def seconds_left(runs: Sequence[QueuedRun], slots: int) -> float | None:
    """Estimate the seconds until a sweep with so many slots is done; None if no run has a pace yet.

    A waiting run counts its estimate, scaled by actual / estimated time of the others so far.
    """
    estimated = actual = 0.0
    for run in runs:
        left = run.seconds_left()
        if left is not None or run.progress.state in schema.ANSWERS:
            estimated += run.estimated_seconds
            actual += run.progress.seconds + (left or 0.0)
    if not estimated:
        return None
    total = longest = 0.0
    for run in runs:
        if not run.progress.is_over:
            left = run.seconds_left()
            left = run.estimated_seconds * actual / estimated if left is None else left
            total, longest = total + left, max(longest, left)
    return max(total / slots, longest)

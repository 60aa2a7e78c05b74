"""The parent's end of a process of the packed launcher."""

import contextlib
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from rnn_bench.sweep.local.devices import Place
from rnn_bench.sweep.local.forkserver import context, process
from rnn_bench.sweep.local.queued_run import Task
from rnn_bench.sweep.local.worker import OUTPUT, Assignment, Elsewhere, Failed, Go, Ready, work
from rnn_bench.training.events import BatchDone, Ended, EpochDone, Started, Waiting

LAST_SECONDS = 30.0  # that a process has to end after its run did
EVENTS = (Waiting, Started, BatchDone, EpochDone, Ended)


class Process:
    """A process that prepares a task, makes its run once `go` says so, and ends. One that found
    its run answered is idle: it has no task, and takes another."""

    def __init__(self, task: Task, place: Place, concurrent_jobs: int, patient: bool) -> None:
        self.place = place
        self.concurrent_jobs = concurrent_jobs
        self.connection, theirs = context.Pipe()
        threads, gpu = task.job.config.threads or 1, place.gpu.name if place.gpu else ""
        try:
            self._process = process(work, (theirs, self._take(task, patient)), threads, gpu)
        finally:
            theirs.close()

    def _take(self, task: Task, patient: bool) -> Assignment:
        self.task: Task | None = task
        self.error: str | None = None  # why the run failed, if that is known
        self.gone = False  # whether the run may begin
        self._expects_word, self._since = True, time.monotonic()
        hydra = task.job.composed.hydra
        folder = Path(str(hydra.sweep.dir), str(OmegaConf.select(hydra, "sweep.subdir"))).absolute()
        self.output = folder / OUTPUT
        job, device = task.job, task.job.config.device
        if device.startswith("cuda"):  # the process sees its own GPU only
            here = "cuda" if self.place.gpu else "cpu"
            job = replace(job, config=replace(job.config, device=here))
        return Assignment(job, self.concurrent_jobs, folder, patient)

    def assign(self, task: Task, patient: bool) -> None:
        """Give an idle process another task."""
        self._send(self._take(task, patient))

    def release(self) -> None:
        """Its run needed no training: it is idle."""
        self.task, self.gone = None, False

    def dismiss(self) -> None:
        """Let an idle process end."""
        self._send(None)
        self.gone = True

    def go(self) -> None:
        """Let the run begin."""
        assert self.task is not None
        self.gone, self.task.progress.state = True, "starting"
        self._expects_word, self._since = True, time.monotonic()
        self._send(Go())

    def _send(self, message: object) -> None:
        with contextlib.suppress(OSError):  # if it is dead, `messages` says so
            self.connection.send(message)

    def messages(self) -> Iterator[Any]:
        """What it has said.

        Raises:
            EOFError: it has ended.
        """
        try:
            while self.connection.poll():
                message = self.connection.recv()
                if isinstance(message, Failed):
                    self.error = self.error or message.error
                if isinstance(message, (*EVENTS, Elsewhere)) or (
                    isinstance(message, Ready) and not self.gone
                ):
                    self._expects_word = False
                if isinstance(message, Ended | Failed):
                    self._since = time.monotonic()
                yield message
        except OSError as error:
            raise EOFError from error

    @property
    def has_started(self) -> bool:
        return self.gone and not self._expects_word

    def is_late(self, start_timeout: float) -> bool:
        """Whether it takes too long to start, or to end."""
        waited = time.monotonic() - self._since
        if self._expects_word and self.task and not self.error:
            return waited > start_timeout
        over = self.error or self.task is None or self.task.progress.is_over
        return bool(over) and waited > LAST_SECONDS

    def stop(self) -> None:
        """Let the run stop at its next batch, and anything else at once."""
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()

    def end(self) -> str:
        """Wait for the end; returns how it came."""
        self._process.join(LAST_SECONDS)
        self._process.kill()
        self._process.join()
        code = self._process.exitcode or 0
        self._process.close()
        self.connection.close()
        if code >= 0:
            return f"The process ended with status {code}."
        name = signal.Signals(-code).name
        hint = ", perhaps for want of memory" if name == "SIGKILL" else ""
        return f"The process was ended by {name}{hint}."

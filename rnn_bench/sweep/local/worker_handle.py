"""Starts, reads and stops a worker's process, from the parent."""

import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from omegaconf import OmegaConf

from rnn_bench.sweep.local.devices import Device
from rnn_bench.sweep.local.forkserver import context, start_process
from rnn_bench.sweep.local.queued_run import QueuedRun
from rnn_bench.sweep.local.worker import OUTPUT, Elsewhere, Failed, LogLine, run_worker
from rnn_bench.tracking import schema
from rnn_bench.training.events import Ended
from rnn_bench.training.interruption import STOPPING

EXIT_SECONDS = 30.0  # that a process has to end after its run did


class WorkerHandle:
    """A process that makes one run and ends.

    `output` is the file of the process's output, `error` the run's error, if it is known,
    `is_elsewhere` says whether another sweep is making the run, `was_stopped` whether a signal
    asked the process to end, and `out_of_memory` whether the run did not fit into its device's.
    """

    def __init__(self, queued: QueuedRun, device: Device, patient: bool) -> None:
        self.queued, self.device = queued, device
        self.error: str | None = None
        self.is_elsewhere = self.was_stopped = self.out_of_memory = False
        self.beside: int | None = None  # runs on the device when this one ran out of memory
        self._has_reported = False
        self._since = time.monotonic()  # when it started, or its run ended
        job = queued.job
        hydra = job.composed.hydra
        folder = Path(str(hydra.sweep.dir), str(OmegaConf.select(hydra, "sweep.subdir"))).absolute()
        self.output = folder / OUTPUT
        if job.config.device.startswith("cuda"):  # the process sees its own GPU only
            visible = "cuda" if device.gpu else "cpu"
            job = replace(job, config=replace(job.config, device=visible))
        threads, gpu = job.config.threads or 1, device.gpu.uuid if device.gpu else ""
        self.connection, theirs = context.Pipe()
        try:
            at_once = schema.VARYING if device.search else device.slots
            arguments = (theirs, job, at_once, folder, patient)
            self._process = start_process(run_worker, arguments, threads, gpu)
        finally:
            theirs.close()
        queued.progress.state = "starting"

    def receive(self) -> Iterator[LogLine]:
        """Handle the worker's messages, and yield its log lines.

        Raises:
            EOFError: the process has ended.
        """
        try:
            while self.connection.poll():
                message = self.connection.recv()
                if isinstance(message, LogLine):
                    yield message
                    continue
                self._has_reported = True
                if isinstance(message, Ended | Failed | Elsewhere):
                    self._since = time.monotonic()
                if isinstance(message, Failed):
                    self.error = self.error or message.error
                    self.out_of_memory = message.out_of_memory
                elif isinstance(message, Elsewhere):
                    self.is_elsewhere = True
                else:
                    self.queued.progress.observe(message)
        except OSError as error:
            raise EOFError from error

    def is_late(self, start_timeout: float) -> bool:
        """Return whether the run takes too long to start, or the process to end after its run."""
        waited = time.monotonic() - self._since
        if self.error or self.is_elsewhere or self.queued.progress.is_over:
            return waited > EXIT_SECONDS
        return not self._has_reported and waited > start_timeout

    def stop(self) -> None:
        """Stop the run at its next batch, and anything else at once."""
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()

    def wait(self) -> str:
        """Wait for the end of the process; return its exit status in a sentence."""
        self._process.join(EXIT_SECONDS)
        self._process.kill()
        self._process.join()
        code = self._process.exitcode or 0
        self._process.close()
        self.connection.close()
        if code >= 0:
            return f"The process ended with status {code}."
        self.was_stopped = -code in STOPPING
        name = signal.Signals(-code).name
        hint = ", perhaps for want of memory" if name == "SIGKILL" else ""
        return f"The process was ended by {name}{hint}."

"""Makes one run in a process of its own, and reports its progress to the parent process."""

import contextlib
import faulthandler
import logging
import os
import signal
import sys
import threading
import time
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from omegaconf import DictConfig

from rnn_bench.config.composition import Composer, Job
from rnn_bench.config.errors import OutOfMemory, describe
from rnn_bench.config.hydra_internals import run_as_hydra_job
from rnn_bench.training.interruption import STOPPING, stopping_at_a_batch

OUTPUT = "output.txt"  # what a worker prints, in the job's folder
BATCH_SECONDS = 0.25  # at least, between two reports of batches
ORPHAN_SECONDS = 5.0  # that a run has to end by itself after its parent has ended


@dataclass(frozen=True)
class LogLine:
    level: int
    text: str


@dataclass(frozen=True)
class Failed:
    """The run raised this error."""

    error: str
    out_of_memory: bool = False


class Elsewhere:
    """Another sweep is making the run."""


class ParentConnection:
    """Sends messages to the parent, and ends this process when the parent has ended: a run at its
    next batch, anything else at once."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        threading.Thread(target=self._end_with_parent, daemon=True).start()

    def send(self, message: object) -> None:
        with self._lock, contextlib.suppress(OSError):  # the thread notices a parent's end
            self._connection.send(message)

    def _end_with_parent(self) -> None:
        with contextlib.suppress(EOFError, OSError):
            self._connection.recv()  # the parent sends nothing: this returns when it ends
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(ORPHAN_SECONDS)
        os._exit(1)


class ParentLogHandler(logging.Handler):
    """Sends log messages to the parent."""

    def __init__(self, parent: ParentConnection) -> None:
        super().__init__()
        self.parent = parent

    def emit(self, record: logging.LogRecord) -> None:
        self.parent.send(LogLine(record.levelno, record.getMessage()))


def run_worker(
    connection: Connection, job: Job, concurrent_jobs: int | str, folder: Path, patient: bool
) -> None:
    """Make a job's run, and report its events, log messages and error to the parent.

    `concurrent_jobs` is the number of runs that the device trains at once, or `schema.VARYING`. The
    process's output goes to a file in `folder`. If another sweep is making the run, a `patient`
    worker waits for it, and one that is not sends `Elsewhere`.
    """
    for number in (signal.SIGINT, signal.SIGHUP):  # the parent handles them, and sends SIGTERM
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
    parent = ParentConnection(connection)
    redirect_output(folder)

    # Where processes are not forked this takes seconds, and may print.
    from rnn_bench.sweep.job import make_run
    from rnn_bench.tracking.claims import Busy
    from rnn_bench.training.events import BatchDone, Event

    logger = logging.getLogger("rnn_bench")
    logger.setLevel(logging.INFO)
    logger.handlers = [ParentLogHandler(parent)]
    last_batch = 0.0

    def report(event: Event) -> None:
        nonlocal last_batch
        if isinstance(event, BatchDone):
            now = time.monotonic()
            if now - last_batch < BATCH_SECONDS:
                return
            last_batch = now
        parent.send(event)

    def task(config: DictConfig) -> None:
        with stopping_at_a_batch([signal.SIGTERM]):
            make_run(job, concurrent_jobs, report, patient)

    try:
        if error := run_as_hydra_job(job.composed, task, Composer().loader):
            raise error
    except Busy:
        parent.send(Elsewhere())
    except KeyboardInterrupt:
        parent.send(Failed("It was stopped by SIGTERM."))
    except Exception as error:
        traceback.print_exception(error)
        parent.send(Failed(describe(error), isinstance(error, OutOfMemory)))


def redirect_output(folder: Path) -> None:
    """Write this process's output, and the stack of a crash, to a file in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    file = os.open(folder / OUTPUT, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for stream in (1, 2):
        os.dup2(file, stream)
    os.close(file)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    faulthandler.enable(file=2)

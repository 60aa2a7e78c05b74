"""A process of the packed launcher: it makes one run, and tells its parent what happens.

What takes seconds to import is imported when the process's output is in its own file.
"""

import contextlib
import faulthandler
import logging
import os
import queue
import signal
import sys
import threading
import time
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from rnn_bench.config.composition import Composer, Job
from rnn_bench.config.errors import describe
from rnn_bench.config.hydra_internals import run_as_hydra_job

OUTPUT = "output.txt"  # of the process, in the job's folder
BATCH_SECONDS = 0.25  # at least, between two events of batches
LAST_SECONDS = 5.0  # that a run has to end by itself when the parent is gone


@dataclass(frozen=True)
class Assignment:
    """A run to make: the job, how many runs are trained at once where it is, the folder for what
    the process says, and whether to wait for another sweep that is at the same run."""

    job: Job
    concurrent_jobs: int
    folder: Path
    patient: bool


@dataclass(frozen=True)
class Ready:
    """The modules are imported and the corpus is read."""


@dataclass(frozen=True)
class LogLine:
    level: int
    text: str


@dataclass(frozen=True)
class Failed:
    """The run raised this."""

    error: str


class Elsewhere:
    """Another sweep is at the run."""


class Go:
    """The parent's word to begin the run that it has assigned."""


class Line:
    """This end of the pipe to the parent. When the other is closed the process ends: a run at its
    next batch, anything else at once."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._received: queue.SimpleQueue[Any] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()

    def send(self, message: object) -> None:
        with self._lock, contextlib.suppress(OSError):  # whether the parent is there, _listen sees
            self._connection.send(message)

    def receive(self) -> Any:
        return self._received.get()

    def _listen(self) -> None:
        try:
            while True:
                self._received.put(self._connection.recv())
        except (EOFError, OSError):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(LAST_SECONDS)
            os._exit(1)


class LineHandler(logging.Handler):
    """Log lines for the parent."""

    def __init__(self, line: Line) -> None:
        super().__init__()
        self.line = line

    def emit(self, record: logging.LogRecord) -> None:
        self.line.send(LogLine(record.levelno, record.getMessage()))


def work(connection: Connection, assignment: Assignment) -> None:
    """Make the assigned run. One that turns out to be answered, or another's, costs nothing, so
    the process takes another assignment after it, or None to end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, who asks with SIGTERM
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))
    line = Line(connection)
    next_one: Assignment | None = assignment
    while next_one is not None:
        redirect_output(next_one.folder)
        if not make(line, next_one):
            break
        next_one = line.receive()


def redirect_output(folder: Path) -> None:
    """Let all that this process says, and the reason of a crash, go to a file in this folder."""
    folder.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    file = os.open(folder / OUTPUT, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for stream in (1, 2):
        os.dup2(file, stream)
    os.close(file)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    faulthandler.enable(file=2)


def make(line: Line, assignment: Assignment) -> bool:
    """Prepare the run, wait for the parent's word, make the run; returns whether nothing had to
    be trained for it."""
    idle = False
    try:
        from rnn_bench.data.encoding import encoded_corpus
        from rnn_bench.sweep.job import answer
        from rnn_bench.tracking.claims import Busy
        from rnn_bench.training.events import BatchDone, Ended, Event
        from rnn_bench.training.interruption import stopping_at_a_batch

        logger = logging.getLogger("rnn_bench")
        logger.setLevel(logging.INFO)
        logger.handlers = [LineHandler(line)]
        encoded_corpus(assignment.job.config)
        line.send(Ready())
        line.receive()
        said = 0.0

        def watch(event: Event) -> None:
            nonlocal idle, said
            if isinstance(event, BatchDone):
                now = time.monotonic()
                if now - said < BATCH_SECONDS:
                    return
                said = now
            idle = isinstance(event, Ended) and event.outcome == "reused"
            line.send(event)

        def task(config: DictConfig) -> None:
            with stopping_at_a_batch([signal.SIGTERM]):
                answer(assignment.job, assignment.concurrent_jobs, watch, assignment.patient)

        error = run_as_hydra_job(assignment.job.composed, task, Composer().loader)
        if isinstance(error, Busy):
            line.send(Elsewhere())
            return True
        if error:
            traceback.print_exception(error)
            line.send(Failed(describe(error)))
    except KeyboardInterrupt:
        line.send(Failed("It was stopped by SIGTERM."))
    except Exception as error:
        traceback.print_exc()
        line.send(Failed(describe(error)))
    return idle

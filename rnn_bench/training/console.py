"""A single run on the terminal: a progress bar over batches and a line for each epoch."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from rnn_bench.training.epochs import EpochResult
from rnn_bench.training.events import BatchDone, Event, Started, Watch

BAR_WIDTH = 40  # columns left for bar, batches and remaining time beside a long run name

console = Console(soft_wrap=True, width=None if sys.stdout.isatty() else 160)


class ConsoleHandler(logging.Handler):
    """Prints log messages above the progress bar; tracebacks only if `tracebacks` is set.

    What is said of data is printed once: each fold and the audit read the same files again.
    """

    def __init__(self, tracebacks: bool = False) -> None:
        super().__init__()
        self.tracebacks = tracebacks
        self.said: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        line = self.format(record) if self.tracebacks else record.getMessage()
        if record.name.startswith("rnn_bench.data."):
            if line in self.said:
                return
            self.said.add(line)
        console.print(line, markup=False, highlight=False)


@contextmanager
def batch_bar() -> Iterator[Watch]:
    """Show a progress bar over a run's batches, on a terminal only; gives the watch to feed."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task: TaskID | None = None

        def watch(event: Event) -> None:
            nonlocal task
            match event:
                case Started(name=name):
                    shown = Text(name)
                    shown.truncate(max(console.width - BAR_WIDTH, 10), overflow="ellipsis")
                    task = bar.add_task(shown.plain, total=None)
                case BatchDone(done=done, total=total) if task is not None:
                    if done == 1:  # a new epoch: the remaining time is that of the epoch
                        bar.reset(task, total=total)
                    bar.update(task, completed=done)

        yield watch


def epoch_line(name: str, result: EpochResult, epochs: int) -> str:
    """Return the log line of an epoch of the run with this name."""
    return (
        f"{name}  epoch {result.epoch:>2}/{epochs}  train loss {result.train_loss:.4f}  "
        f"val loss {result.val_loss:.4f}  val accuracy {result.val_accuracy:.4f}  "
        f"{result.seconds:.1f} s"
    )

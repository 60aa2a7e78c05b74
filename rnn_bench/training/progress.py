"""What a person sees while a run trains: a bar over batches, and a line an epoch."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from rnn_bench.training.epochs import EpochResult, OnBatch

log = logging.getLogger(__name__)
console = Console(soft_wrap=True, width=None if sys.stdout.isatty() else 160)


class ConsoleHandler(logging.Handler):
    """Log lines above the bar, as they are."""

    def emit(self, record: logging.LogRecord) -> None:
        console.print(self.format(record), markup=False, highlight=False)


@contextmanager
def batch_bar(name: str) -> Iterator[OnBatch]:
    """Called after each batch with batches done and to do; draws only for a person."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def epoch_line(name: str, result: EpochResult, epochs: int) -> str:
    return (
        f"{name}  epoch {result.epoch:>2}/{epochs}  train loss {result.train_loss:.4f}  "
        f"val loss {result.val_loss:.4f}  val accuracy {result.val_accuracy:.4f}  "
        f"{result.seconds:.1f} s"
    )

"""The table of a running sweep: one that changes for a person, plain lines for a file."""

import logging
import os
import time
from collections import Counter
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rnn_bench.sweep.local.queued_run import Task, seconds_left
from rnn_bench.sweep.plan import duration
from rnn_bench.training.console import console

log = logging.getLogger("rnn_bench")

REFRESH_SECONDS = 0.25
BESIDE_NAME = 65  # columns of the table beside the run's name
STYLES = {"training": "bold", "failed": "red", "killed": "red", "diverged": "yellow"}


class LiveTable:
    """Shows tasks while the block runs. Where nobody watches, or in CI, it shows their log lines
    instead."""

    def __init__(self, tasks: Sequence[Task], slots: int) -> None:
        self.tasks, self.slots = [*tasks], slots
        self._watched = console.is_terminal and not os.environ.get("CI")
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._shown = 0.0

    def __enter__(self) -> "LiveTable":
        if self._watched:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._watched:
            self._live.stop()

    def log(self, level: int, text: str) -> None:
        """A run's log line. The table says what an ordinary one does."""
        if not self._watched or level >= logging.WARNING:
            log.log(level, "%s", text)

    def refresh(self) -> None:
        now = time.monotonic()
        if self._watched and now - self._shown >= REFRESH_SECONDS:
            self._shown = now
            self._live.update(picture(self.tasks, self.slots, console), refresh=True)


def picture(tasks: Sequence[Task], slots: int, console: Console) -> Group:
    """A row for each task, as far as the console has room; a line that counts the others; and a
    line for the sweep."""
    rows = shown(tasks, max(console.height - 4, 1))
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("run", no_wrap=True)
    table.add_column("state", no_wrap=True)
    for heading in ("epoch", "train loss", "val loss", "tokens/s", "time left"):
        table.add_column(heading, justify="right", no_wrap=True)
    for task in rows:
        name = shortened(task.name, max(console.width - BESIDE_NAME, 12))
        table.add_row(Text(name), *cells(task), style=STYLES.get(task.progress.state))
    others = Counter(task.progress.state for task in tasks)
    others.subtract(task.progress.state for task in rows)
    counted = ", ".join(f"{count} {state}" for state, count in sorted(others.items()) if count)
    lines = [Text(f"and {counted}", style="dim")] if counted else []
    return Group(table, *lines, Text(summary(tasks, slots)))


def shown(tasks: Sequence[Task], room: int) -> list[Task]:
    """The tasks to show, in order: first those that are trained, then the failed, the next that
    wait, and those that ended last."""

    def rank(task: Task) -> tuple[int, float]:
        state, ended = task.progress.state, task.progress.ended or 0.0
        if state in ("starting", "elsewhere", "training"):
            return 0, 0.0
        if state in ("failed", "killed"):
            return 1, -ended
        return (3, -task.expected) if state == "waiting" else (2, -ended)

    chosen = sorted(range(len(tasks)), key=lambda number: rank(tasks[number]))[:room]
    return [tasks[number] for number in sorted(chosen)]


def cells(task: Task) -> list[str]:
    """What a row says beside the run's name."""
    progress, result = task.progress, task.progress.result
    state = progress.state
    if progress.test_accuracy is not None:
        state += f" {progress.test_accuracy:.4f}"
    left = progress.seconds_left()
    return [
        state,
        f"{progress.epoch}/{progress.epochs}" if progress.epochs else "",
        f"{result.train_loss:.4f}" if result else "",
        f"{result.val_loss:.4f}" if result else "",
        f"{progress.tokens_per_second:,.0f}" if progress.tokens_per_second else "",
        "" if left is None else duration(left),
    ]


def summary(tasks: Sequence[Task], slots: int) -> str:
    """How far the sweep is."""
    done = sum(task.progress.is_over for task in tasks)
    failed = sum(task.progress.state in ("failed", "killed") for task in tasks)
    left = seconds_left([*tasks], slots)
    text = f"{done} of {len(tasks)} runs done"
    if failed:
        text += f" ({failed} failed)"
    if left is not None and done < len(tasks):
        text += f", about {duration(left)} left"
    return text


def shortened(name: str, width: int) -> str:
    """A run's name, whose end has the seed, with its middle left out if it is too long."""
    if len(name) <= width:
        return name
    head = (width - 1) // 2
    return f"{name[:head]}…{name[len(name) - (width - 1 - head) :]}"

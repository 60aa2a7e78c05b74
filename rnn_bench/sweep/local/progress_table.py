"""Shows the progress of a running sweep: a table on a terminal, log lines elsewhere."""

import logging
import os
import time
from collections import Counter
from collections.abc import Sequence

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rnn_bench.sweep.local.queued_run import QueuedRun, seconds_left
from rnn_bench.sweep.plan import duration
from rnn_bench.training.console import console

log = logging.getLogger("rnn_bench")

REFRESH_SECONDS = 0.25
OTHER_COLUMNS = 65  # characters of the table beside the run's name
STYLES = {
    "training": "bold",
    **{"failed": "red", "killed": "red"},
    **{"diverged": "yellow", "unlearned": "yellow"},
}


class ProgressTable:
    """Shows a table of a sweep's runs while the block runs. Without a terminal, or in CI, it logs
    the runs' messages instead."""

    def __init__(self, runs: Sequence[QueuedRun], slots: int) -> None:
        self.runs, self.slots = [*runs], slots
        self._is_shown = console.is_terminal and not os.environ.get("CI")
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._refreshed = 0.0

    def __enter__(self) -> "ProgressTable":
        if self._is_shown:
            self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._is_shown:
            self._live.stop()

    def log(self, level: int, text: str) -> None:
        """Log a run's message. Beside the table, log only warnings and errors."""
        if not self._is_shown or level >= logging.WARNING:
            log.log(level, "%s", text)

    def refresh(self) -> None:
        """Draw the table again, at most four times a second."""
        now = time.monotonic()
        if self._is_shown and now - self._refreshed >= REFRESH_SECONDS:
            self._refreshed = now
            self._live.update(render(self.runs, self.slots, console), refresh=True)


def render(runs: Sequence[QueuedRun], slots: int, console: Console) -> Group:
    """Return a table of as many runs as the console has room for, a line that counts the others by
    state, and a line about the whole sweep."""
    selected = select_runs(runs, max(console.height - 4, 1))
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("run", no_wrap=True)
    table.add_column("state", no_wrap=True)
    for heading in ("epoch", "train loss", "val loss", "tokens/s", "time left"):
        table.add_column(heading, justify="right", no_wrap=True)
    for run in selected:
        name = cut_middle(run.name, max(console.width - OTHER_COLUMNS, 12))
        table.add_row(Text(name), *row_cells(run), style=STYLES.get(run.progress.state))
    others = Counter(run.progress.state for run in runs)
    others.subtract(run.progress.state for run in selected)
    counts = ", ".join(f"{count} {state}" for state, count in sorted(others.items()) if count)
    lines = [Text(f"and {counts}", style="dim")] if counts else []
    return Group(table, *lines, Text(summary_line(runs, slots)))


def select_runs(runs: Sequence[QueuedRun], count: int) -> list[QueuedRun]:
    """Return at most `count` runs, in the sweep's order: first choice are running ones, then failed
    ones, the last to end, and the next to start."""

    def rank(run: QueuedRun) -> tuple[int, float]:
        state, ended = run.progress.state, run.progress.ended or 0.0
        if state in ("starting", "elsewhere", "training"):
            return 0, 0.0
        if state in ("failed", "killed"):
            return 1, -ended
        return (3, -run.estimated_seconds) if state == "waiting" else (2, -ended)

    selected = sorted(range(len(runs)), key=lambda index: rank(runs[index]))[:count]
    return [runs[index] for index in sorted(selected)]


def row_cells(run: QueuedRun) -> list[str]:
    """Return the cells of a run's row without its name."""
    progress, result = run.progress, run.progress.result
    state = progress.state
    if progress.test_accuracy is not None:
        state += f" {progress.test_accuracy:.4f}"
    left = run.seconds_left()
    return [
        state,
        f"{progress.epoch}/{progress.epochs}" if progress.epochs else "",
        f"{result.train_loss:.4f}" if result else "",
        f"{result.val_loss:.4f}" if result else "",
        f"{progress.tokens_per_second:,.0f}" if progress.tokens_per_second else "",
        "" if left is None else duration(left),
    ]


def summary_line(runs: Sequence[QueuedRun], slots: int) -> str:
    """Return how many runs are done and failed, and the time left."""
    done = sum(run.progress.is_over for run in runs)
    failed = sum(run.progress.state in ("failed", "killed") for run in runs)
    left = seconds_left(runs, slots)
    text = f"{done} of {len(runs)} runs done"
    if failed:
        text += f" ({failed} failed)"
    if left is not None and done < len(runs):
        text += f", about {duration(left)} left"
    return text


def cut_middle(name: str, width: int) -> str:
    """Return a name of at most `width` characters, with an ellipsis in its middle if it is cut: its
    end has the seed."""
    if len(name) <= width:
        return name
    head = (width - 1) // 2
    return f"{name[:head]}…{name[len(name) - (width - 1 - head) :]}"

"""The comparison that a sweep ends with, read from the record."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean
from urllib.parse import quote

from mlflow.entities import Run
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rnn_bench.config.tracking import Tracking
from rnn_bench.tracking.store import store_uri
from rnn_bench.tracking.sweeps import asked_for, failed

UI = "http://127.0.0.1:5000"
LAST_LINES = 4  # of a failed run's log
MEASURABLE = 0.05  # seconds; the majority class takes none, at any number of tokens a second


def print_comparison(
    runs: Sequence[Run],
    notes: Sequence[str],
    sweep_id: str,
    store: str,
    output_dir: Path,
    console: Console,
) -> None:
    """A row for each configuration, its runs being its seeds; then the failed runs with their
    logs, the notes, and where to see the rest."""
    answered = [run for run in runs if not failed(run)]
    if answered:
        console.print(comparison(answered))
    for run in filter(failed, runs):
        log = output_dir / "runs" / run.info.run_id / "log.txt"
        outcome = run.data.tags.get("outcome", "not finished").capitalize()
        reason = f": {run.data.tags['error']}" if outcome == "Failed" else ""
        console.print(f"{outcome}: {run.info.run_name}{reason}\n  log: {log}", markup=False)
        if outcome != "Killed":
            for line in last_lines(log):
                console.print(f"    {line}", markup=False, highlight=False)
    for note in notes:
        console.print(note, markup=False)
    if runs:
        start, server = ui_command(store)
        address = server + comparison_page(runs[0].info.experiment_id, sweep_id)
        line = f"Sweep {sweep_id}. Compare its runs in MLflow: {start}{address}"
        console.print(line, markup=False, highlight=False)


def last_lines(log: Path) -> list[str]:
    """What a failed run said last."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 4096))
            text = file.read().decode(errors="replace")
    except OSError:  # it is on another machine
        return []
    return [line.rstrip() for line in text.splitlines() if line.strip()][-LAST_LINES:]


def ui_command(store: str) -> tuple[str, str]:
    """What to start before a store's pages can be opened, if anything, and their address."""
    if store.startswith("http"):
        return "", store.rstrip("/")
    here = store == store_uri(Tracking()) and Path("Makefile").is_file()
    command = "make ui" if here else f"mlflow ui --backend-store-uri {store}"
    return f"{command}, then ", UI


def comparison_page(experiment_id: str, sweep_id: str) -> str:
    """The MLflow page with the accuracy bars and loss curves of the runs that a sweep asked for."""
    return (
        f"/#/experiments/{experiment_id}/runs?compareRunsMode=CHART"
        f"&workflowType=machine_learning&orderByKey={quote('metrics.`test_accuracy`')}"
        f"&orderByAsc=false&searchFilter={quote(asked_for(sweep_id))}"
    )


def comparison(runs: Sequence[Run]) -> Table:
    """Dataset x model, by falling accuracy."""
    several = len({run.data.tags["seed"] for run in runs}) > 1
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("dataset", "model", "test accuracy", "best epoch", "time", "tokens/s"):
        words = heading in ("dataset", "model")  # folded, never cut, where the window is narrow
        table.add_column(
            heading,
            justify="left" if words else "right",
            overflow="fold" if words else "ellipsis",
            no_wrap=not words,
        )
    if several:
        table.add_column("runs", justify="right")
    for group in sorted(
        _groups(runs), key=lambda g: (g[0].data.tags["dataset"], -_mean("test_accuracy", g))
    ):
        seconds = _mean("train_seconds", group)
        speed = f"{_mean('tokens_per_second', group):,.0f}"
        cells = [
            escape(group[0].data.tags["dataset"]),
            escape(_configuration(group[0])),
            _spread("test_accuracy", group, "{:.4f}".format),
            _spread("best_epoch", group, "{:.0f}".format),
            f"{seconds:.1f} s",
            speed if seconds >= MEASURABLE else "",
        ]
        diverged = sum(run.data.tags["outcome"] == "diverged" for run in group)
        if diverged:
            cells[2] += " diverged" if len(group) == 1 else f" {diverged} diverged"
        table.add_row(*cells, *([str(len(group))] if several else []))
    return table


def _groups(runs: Sequence[Run]) -> list[list[Run]]:
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(run.data.tags["config_key"], []).append(run)
    return list(groups.values())


def _configuration(run: Run) -> str:
    """The run's name without dataset and seed: the model and what differs from the defaults."""
    tags = run.data.tags
    name = str(run.info.run_name).removesuffix(f"-s{tags['seed']}")
    return name.replace(f"{tags['model']}-{tags['dataset']}", tags["model"], 1)


def _values(metric: str, runs: Sequence[Run]) -> list[float]:
    return [run.data.metrics.get(metric, math.nan) for run in runs]


def _mean(metric: str, runs: Sequence[Run]) -> float:
    return mean(_values(metric, runs))


def _spread(metric: str, runs: Sequence[Run], write: Callable[[float], str]) -> str:
    values = _values(metric, runs)
    if len(runs) == 1 or min(values) == max(values):
        return write(values[0])
    return f"{write(mean(values))} ({write(min(values))} to {write(max(values))})"

"""Prints the comparison of a sweep's runs on the terminal."""

from collections.abc import Container, Sequence
from pathlib import Path
from statistics import mean, median_low
from urllib.parse import quote

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rnn_bench.config.tracking import Tracking
from rnn_bench.evaluation.metrics import is_loss, title_of
from rnn_bench.report.analysis import Results
from rnn_bench.report.conclusions import write_conclusions
from rnn_bench.report.configurations import Configuration
from rnn_bench.report.explanations import explain_numbers
from rnn_bench.report.formatting import format_estimate, format_number
from rnn_bench.sweep.advice import advise
from rnn_bench.tracking import schema
from rnn_bench.tracking.recorded_run import RecordedRun
from rnn_bench.tracking.store import store_uri
from rnn_bench.tracking.sweeps import sweep_filter
from rnn_bench.training.checkpoint import Checkpoints

MLFLOW_PAGES = "http://127.0.0.1:5000"
LAST_LINES = 4  # of a failed run's log
MEASURABLE = 0.05  # seconds; tokens a second are not shown of baselines that take less


def print_comparison(
    results: Results,
    notes: Sequence[str],
    output_dir: Path,
    console: Console,
    trials: Container[str] = (),
) -> None:
    """Print a table of the completed runs, the answer, and what to mind; then the failed runs with
    the ends of their logs, the notes, and the address of MLflow's page. Runs that read no test
    articles are in a table of their own, by validation loss; a search's `trials`, of which these
    are the ids, are in none."""
    sweep = results.sweep
    untested = [
        run for run in sweep.runs if run.is_completed and not run.is_tested and run.id not in trials
    ]
    if untested:
        console.print(validation_table(untested))
    if results.compared:
        console.print(comparison_table(results))
        lines = [*write_conclusions(results), explain_numbers(results), *_not_compared(results)]
        lines += [f"Mind: {line}" for line in advise(sweep.completed)]
        for line in lines:
            console.print(line, markup=False, highlight=False)
    for run in sweep.runs:
        if not run.is_completed:
            print_failure(run, output_dir, console)
    for note in notes:
        console.print(note, markup=False)
    if sweep.runs:
        start, server = ui_command(sweep.store)
        address = server + comparison_page(sweep.experiment_id, sweep.id, sweep.primary_metric)
        line = f"Sweep {sweep.id}. Compare its runs in MLflow: {start}{address}"
        console.print(line, markup=False, highlight=False)


def print_failure(run: RecordedRun, output_dir: Path, console: Console) -> None:
    """Print a failed run's name and error, and the end of its log. Of a stopped one, print where
    it goes on."""
    folder = output_dir / "runs" / run.id
    log = folder / schema.LOG_FILE
    outcome = run.tags.get(schema.OUTCOME, "not finished")
    if outcome == schema.KILLED and Checkpoints(folder).epoch:
        console.print(f"Stopped: {run.name} goes on from its last finished epoch.", markup=False)
        return
    if outcome == schema.KILLED:
        console.print(f"Stopped: {run.name} had finished no epoch, and begins anew.", markup=False)
        return
    error = run.tags.get(schema.ERROR, "")
    reason = f": {error}" if error and outcome == schema.FAILED else ""
    console.print(f"{outcome.capitalize()}: {run.name}{reason}", markup=False)
    if log.is_file():
        console.print(f"  log: {log}", markup=False)
    for line in last_lines(log):
        console.print(f"    {line}", markup=False, highlight=False)


def last_lines(log: Path) -> list[str]:
    """Return the last lines of a log; none if it is on another machine."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 4096))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    return [line.rstrip() for line in text.splitlines() if line.strip()][-LAST_LINES:]


def ui_command(store: str) -> tuple[str, str]:
    """Return the words that name the command to start for a store's pages, "" for a server's, and
    the address of the pages."""
    if store.startswith("http"):
        return "", store.rstrip("/")
    here = store == store_uri(Tracking()) and Path("Makefile").is_file()
    command = "make ui" if here else f"mlflow ui --backend-store-uri {store}"
    return f"{command}, then ", MLFLOW_PAGES


def comparison_page(experiment_id: str, sweep_id: str, primary: str = schema.TEST_ACCURACY) -> str:
    """Return the path of the MLflow page with accuracy bars and loss curves of a sweep's runs."""
    order = quote(f"metrics.`{primary}`")
    return (
        f"/#/experiments/{experiment_id}/runs?compareRunsMode=CHART"
        f"&workflowType=machine_learning&orderByKey={order}"
        f"&orderByAsc={str(is_loss(primary)).lower()}&searchFilter={quote(sweep_filter(sweep_id))}"
    )


def comparison_table(results: Results) -> Table:
    """Return a table with a row for each compared configuration, by dataset, the best mean of
    the primary metric first, with its 95 % interval."""
    metric, is_accuracy = results.sweep.primary_metric, results.ranks_by_accuracy
    table = Table(box=None, pad_edge=False, header_style="bold")
    chance = ["chance"] if is_accuracy else []
    for heading in ("dataset", "model", title_of(metric), *chance, "epoch", "time", "tokens/s"):
        is_text = heading in ("dataset", "model")  # folded, never cut, where the window is narrow
        table.add_column(
            heading,
            justify="left" if is_text else "right",
            overflow="fold" if is_text else "ellipsis",
            no_wrap=not is_text,
        )
    has_several = any(len(each.completed) > 1 for each in results.compared)
    if has_several:
        table.add_column("seeds", justify="right")
    for each in results.ordered:
        cells = _cells(results, each)
        table.add_row(*map(escape, cells if has_several else cells[:-1]))
    return table


def _cells(results: Results, each: Configuration) -> list[str]:
    value, runs = format_estimate(results.primary[each.key]), each.completed
    if each.diverged:
        value += " diverged" if len(runs) == 1 else f" {each.diverged} diverged"
    if each.unlearned:
        value += " unlearned" if len(runs) == 1 else f" {each.learned} of {len(runs)} learned"
    seconds = mean(run.metric(schema.TRAIN_SECONDS) for run in runs)
    speed = mean(run.metric(schema.TOKENS_PER_SECOND) for run in runs)
    return [
        *(each.corpus, each.label, value),
        *([format_number(results.chance(each.corpus))] if results.ranks_by_accuracy else []),
        _median_epoch(runs),
        f"{seconds:.1f} s",
        f"{speed:,.0f}" if seconds >= MEASURABLE else "",
        each.seeds,
    ]


def _not_compared(results: Results) -> list[str]:
    """Return a line on the configurations whose test accuracy is not shown, because validation
    loss chose another."""
    completed = [each for each in results.configurations if each.completed]
    more = len(completed) - len(results.compared)
    if not more:
        return []
    what = "1 configuration" if more == 1 else f"{more} configurations"
    return [
        f"Not shown: {what} of other optimizer settings. Validation loss chose the ones above; the "
        "report lists all."
    ]


def validation_table(runs: Sequence[RecordedRun]) -> Table:
    """Return a table of configurations whose test articles were not read, by dataset, the lowest
    mean validation loss first."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("dataset", "model", "validation loss", "best epoch", "runs"):
        is_text = heading in ("dataset", "model")
        table.add_column(heading, justify="left" if is_text else "right", overflow="fold")
    losses = [
        (group[0].tags[schema.DATASET], mean(run.evaluated_val_loss for run in group), group)
        for group in _configurations(runs)
    ]
    for dataset, loss, group in sorted(losses, key=lambda each: each[:2]):
        epochs = _median_epoch(group)
        name = escape(_configuration(group[0]))
        table.add_row(escape(dataset), name, f"{loss:.4f}", epochs, str(len(group)))
    return table


def _configurations(runs: Sequence[RecordedRun]) -> list[list[RecordedRun]]:
    """Return the runs that differ in their seed alone together."""
    groups: dict[str, list[RecordedRun]] = {}
    for run in runs:
        groups.setdefault(run.tags[schema.CONFIG_KEY], []).append(run)
    return [*groups.values()]


def _configuration(run: RecordedRun) -> str:
    """Return the run's name without dataset and seed: the model and what differs from the
    defaults."""
    model, dataset = run.tags[schema.MODEL], run.tags[schema.DATASET]
    name = run.name.removesuffix(f"-s{run.tags[schema.SEED]}")
    return name.replace(f"{model}-{dataset}", model, 1)


def _median_epoch(runs: Sequence[RecordedRun]) -> str:
    """Return the median of the runs' best epochs."""
    return f"{median_low(run.metric(schema.BEST_EPOCH) for run in runs):.0f}"

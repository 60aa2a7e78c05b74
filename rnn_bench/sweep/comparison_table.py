"""Prints the comparison of a sweep's runs on the terminal."""

from collections.abc import Callable, Container, Sequence
from pathlib import Path
from statistics import mean
from urllib.parse import quote

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rnn_bench.config.tracking import Tracking
from rnn_bench.evaluation.metrics import title_of
from rnn_bench.sweep.advice import advise, name_ceilings
from rnn_bench.sweep.equality import describe_equality
from rnn_bench.tracking import schema
from rnn_bench.tracking.recorded_run import RecordedRun
from rnn_bench.tracking.store import store_uri
from rnn_bench.tracking.sweeps import sweep_filter
from rnn_bench.training.checkpoint import Checkpoints

MLFLOW_PAGES = "http://127.0.0.1:5000"
LAST_LINES = 4  # of a failed run's log
MEASURABLE = 0.05  # seconds; tokens a second are not shown of baselines that take less


def print_comparison(
    runs: Sequence[RecordedRun],
    notes: Sequence[str],
    sweep_id: str,
    store: str,
    output_dir: Path,
    console: Console,
    primary: str = schema.TEST_ACCURACY,
    trials: Container[str] = (),
) -> None:
    """Print a table of the completed runs with what is possible and advice on them, the failed runs
    with the ends of their logs, the notes, and the address of MLflow's page. Runs that read no test
    articles are in a table of their own, by validation loss; a search's `trials`, of which these are
    the ids, are in none."""
    completed = [run for run in runs if run.is_completed and run.is_tested]
    untested = [
        run for run in runs if run.is_completed and not run.is_tested and run.id not in trials
    ]
    if untested:
        console.print(validation_table(untested))
    if completed:
        console.print(comparison_table(completed, primary))
        for line in [*name_ceilings(completed), *_describe_equality(completed)]:
            console.print(line, markup=False, highlight=False)
        for line in [*_count_learned(completed), *advise(completed)]:
            console.print(f"Mind: {line}", markup=False, highlight=False)
    for run in runs:
        if not run.is_completed:
            print_failure(run, output_dir, console)
    for note in notes:
        console.print(note, markup=False)
    if runs:
        start, server = ui_command(store)
        address = server + comparison_page(runs[0].row.info.experiment_id, sweep_id, primary)
        line = f"Sweep {sweep_id}. Compare its runs in MLflow: {start}{address}"
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
        f"&orderByAsc=false&searchFilter={quote(sweep_filter(sweep_id))}"
    )


def comparison_table(runs: Sequence[RecordedRun], primary: str = schema.TEST_ACCURACY) -> Table:
    """Return a table with a row for each configuration, by dataset, the highest mean of the primary
    metric first."""
    has_several_seeds = len({run.tags[schema.SEED] for run in runs}) > 1
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("dataset", "model", title_of(primary), "best epoch", "time", "tokens/s"):
        is_text = heading in ("dataset", "model")  # folded, never cut, where the window is narrow
        table.add_column(
            heading,
            justify="left" if is_text else "right",
            overflow="fold" if is_text else "ellipsis",
            no_wrap=not is_text,
        )
    if has_several_seeds:
        table.add_column("runs", justify="right")
    for group in sorted(
        _configurations(runs),
        key=lambda group: (group[0].tags[schema.DATASET], -_mean(primary, group)),
    ):
        count = [str(len(group))] if has_several_seeds else []
        table.add_row(*_cells(group, primary), *count)
    if has_several_seeds:
        table.caption = "Several seeds: mean (lowest to highest)"
        table.caption_justify = "left"
    return table


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
        epochs = _spread(schema.BEST_EPOCH, group, "{:.0f}".format)
        name = escape(_configuration(group[0]))
        table.add_row(escape(dataset), name, f"{loss:.4f}", epochs, str(len(group)))
    return table


def _configurations(runs: Sequence[RecordedRun]) -> list[list[RecordedRun]]:
    """Return the runs that differ in their seed alone together."""
    groups: dict[str, list[RecordedRun]] = {}
    for run in runs:
        groups.setdefault(run.tags[schema.CONFIG_KEY], []).append(run)
    return [*groups.values()]


def _describe_equality(runs: Sequence[RecordedRun]) -> list[str]:
    """Return a line for each dataset whose networks are all equal in size or training time."""
    datasets: dict[str, dict[str, list[RecordedRun]]] = {}
    for run in runs:
        if not run.is_baseline:
            networks = datasets.setdefault(run.tags[schema.DATASET], {})
            networks.setdefault(run.tags[schema.MODEL], []).append(run)
    found = {dataset: describe_equality(networks) for dataset, networks in datasets.items()}
    return [
        f"The networks on {dataset} are compared {equality}."
        for dataset, equality in found.items()
        if equality
    ]


def _count_learned(runs: Sequence[RecordedRun]) -> list[str]:
    """Return a line for each configuration of several seeds that did not learn with all of them."""
    lines = []
    for group in _configurations(runs):
        unlearned = sum(run.state == schema.UNLEARNED for run in group)
        if len(group) > 1 and unlearned:
            name = f"{_configuration(group[0])} on {group[0].tags[schema.DATASET]}"
            lines.append(f"{name} learned in {len(group) - unlearned} of {len(group)} seeds.")
    return lines


def _cells(group: Sequence[RecordedRun], primary: str) -> list[str]:
    seconds = _mean(schema.TRAIN_SECONDS, group)
    value = _spread(primary, group, "{:.4f}".format)
    if diverged := sum(run.state == schema.DIVERGED for run in group):
        value += " diverged" if len(group) == 1 else f" {diverged} diverged"
    if len(group) == 1 and group[0].state == schema.UNLEARNED:
        value += " unlearned"
    return [
        escape(group[0].tags[schema.DATASET]),
        escape(_configuration(group[0])),
        value,
        _spread(schema.BEST_EPOCH, group, "{:.0f}".format),
        f"{seconds:.1f} s",
        f"{_mean(schema.TOKENS_PER_SECOND, group):,.0f}" if seconds >= MEASURABLE else "",
    ]


def _configuration(run: RecordedRun) -> str:
    """Return the run's name without dataset and seed: the model and what differs from the
    defaults."""
    model, dataset = run.tags[schema.MODEL], run.tags[schema.DATASET]
    name = run.name.removesuffix(f"-s{run.tags[schema.SEED]}")
    return name.replace(f"{model}-{dataset}", model, 1)


def _mean(metric: str, runs: Sequence[RecordedRun]) -> float:
    return mean(run.metric(metric) for run in runs)


def _spread(metric: str, runs: Sequence[RecordedRun], write: Callable[[float], str]) -> str:
    values = [run.metric(metric) for run in runs]
    if len(runs) == 1 or min(values) == max(values):
        return write(values[0])
    return f"{write(mean(values))} ({write(min(values))} to {write(max(values))})"

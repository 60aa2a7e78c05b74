"""Says what a search would make, and how long that takes at most."""

from collections.abc import Mapping, Sequence
from statistics import mean

from mlflow import MlflowClient
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rnn_bench.data.encoding import EncodedCorpus
from rnn_bench.sweep.local.devices import Device
from rnn_bench.sweep.plan import duration, expected_seconds, newest_runs, pace_of
from rnn_bench.sweep.search.search import Search


def print_search_plan(
    search: Search,
    corpora: Mapping[str, EncodedCorpus],
    client: MlflowClient,
    experiment_id: str,
    devices: Sequence[Device],
    console: Console,
) -> None:
    """Print the trials and final runs of each model, with the expected time of all by the settings
    of some trials, with as many runs at once as `devices` train. `corpora` are by the models'
    names."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("model", "trials", "final runs", "a run"):
        table.add_column(heading, justify="left" if heading == "model" else "right")
    newest = newest_runs(client, experiment_id)
    runs, total = 0, 0.0
    for each in search.questions:
        examples = search.examples(each)
        seconds = mean(expected_seconds(job, corpora[each.name], newest) for job in examples)
        of_trials = search.runs_of(each)
        own = of_trials + len(each.fresh)
        runs, total = runs + own, total + own * seconds
        trials, seeds = each.trials, len(each.jobs)
        of_seeds = f"{trials} x {seeds} seeds" if trials and seeds > 1 else str(trials)
        if search.halving:
            of_seeds = f"{of_trials} runs"
        row = (escape(each.name), of_seeds, str(len(each.fresh)), f"about {duration(seconds)}")
        table.add_row(*row)
    console.print(table)
    space = {key: str(domain) for each in search.questions for key, domain in each.space.items()}
    for key, domain in space.items():
        console.print(f"{key}: {domain}", markup=False, highlight=False)
    slots, pace = pace_of(devices)
    console.print(
        f"{runs} runs, {pace} {duration(total / slots)} by the settings of the first "
        "trials; runs that the record answers, or that stop early, take less."
    )

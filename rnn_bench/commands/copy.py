"""The command `copy`: copy an experiment's runs to another MLflow store."""

import argparse

from mlflow.entities import Run
from rich.progress import Progress

from rnn_bench.config.errors import UsageError, printable, shorten
from rnn_bench.config.tracking import Tracking
from rnn_bench.tracking import schema
from rnn_bench.tracking.copying import Copied, Store, copy_record
from rnn_bench.tracking.store import open_existing, open_store, store_errors, store_uri
from rnn_bench.training.console import console


def run(arguments: argparse.Namespace) -> None:
    """Copy the runs, and print how many were new, changed and there already.

    Raises:
        UsageError: a store cannot be used, or both are the same.
    """
    target = Tracking(uri=arguments.to, experiment_name=arguments.experiment_name)
    here, there = store_uri(Tracking(uri=arguments.source)), store_uri(target)
    if here == there:
        raise UsageError(f"{there} is what is copied from: name another store with --from or --to.")
    source = open_existing(arguments.source, arguments.experiment_name)
    opened = open_store(target)
    with store_errors(f"{here} or {there}"):
        copied = copy_with_progress(source, opened)
    print(
        f"{len(copied.new)} runs copied, {len(copied.updated)} brought up to date, "
        f"{len(copied.there)} there already: {here} to {there}"
    )
    for run in copied.living:
        print(f"Left out: {shown(run)}: {run.data.tags.get(schema.OWNER)} is training it.")


def copy_with_progress(source: Store, target: Store) -> Copied:
    """Copy the runs; show a progress bar on a terminal, elsewhere a line for each run."""
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("Copying", total=None)

        def watch(done: int, total: int, run: Run, became: str) -> None:
            bar.update(task, completed=done, total=total)
            if not console.is_terminal and became in ("new", "updated"):
                print(f"{done}/{total}  {shown(run)}  {became}", flush=True)

        return copy_record(source, target, watch)


def shown(run: Run) -> str:
    """Return a run's name in one line for the terminal: a server may have chosen it."""
    return shorten(printable(run.info.run_name or ""), 500)

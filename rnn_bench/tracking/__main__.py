"""The tracking command: record what waits for an MLflow that could not be reached, and copy a
record to another store."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rnn_bench.config.errors import UsageError

if TYPE_CHECKING:
    from rnn_bench.tracking.copying import Copied, Store

SUCCESS, UNSENT_LEFT, UNUSABLE, INTERRUPTED = 0, 1, 2, 130

SYNC = """\
Runs go on training while MLflow cannot be reached, and what they would have
recorded waits in OUTPUT_DIR/runs. A sweep sends it at its start and at its end;
this sends it now. Nothing is recorded twice."""
COPY = """\
Copy all runs of an experiment, with their history, parameters, tags, datasets
and artifacts, and the notes on its sweeps, into the experiment of the same name
of another MLflow store. Sweeps there find them as answers, and reports can be
written there.

The command can be repeated: what is there is not copied again, what has grown
since is brought up to date, and an interrupted copy goes on. Runs that somebody
is training are left out, and so are registered models."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m rnn_bench.tracking", description="Keep MLflow's record in order."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    raw = argparse.RawDescriptionHelpFormatter
    sync = commands.add_parser(
        "sync", help="record what waits for MLflow", description=SYNC, formatter_class=raw
    )
    sync.add_argument(
        "output_dir", metavar="OUTPUT_DIR", nargs="?", default="outputs", help="by default outputs"
    )
    copy = commands.add_parser(
        "copy", help="copy the record to another store", description=COPY, formatter_class=raw
    )
    copy.add_argument(
        "--to", metavar="URI", required=True, help="a server's address, or sqlite:///FILE"
    )
    copy.add_argument(
        "--from",
        dest="source",
        metavar="URI",
        help="by default $MLFLOW_TRACKING_URI, else mlflow.db in this folder",
    )
    copy.add_argument("--experiment-name", metavar="NAME", default="rnn-bench")
    arguments = parser.parse_args(argv)
    try:
        if arguments.command == "sync":
            return send_waiting(Path(arguments.output_dir))
        copy_to(arguments.source, arguments.to, arguments.experiment_name)
    except UsageError as error:
        if os.environ.get("HYDRA_FULL_ERROR"):
            raise
        print(error, file=sys.stderr)
        return UNUSABLE
    except KeyboardInterrupt:
        print("Interrupted. The same command goes on.", file=sys.stderr)
        return INTERRUPTED
    return SUCCESS


def send_waiting(folder: Path) -> int:
    """Record what waits in an output folder; returns the exit status.

    Raises:
        UsageError: there is no such folder.
    """
    from rnn_bench.tracking.outbox import send_unsent, unsent

    if not folder.is_dir():
        raise UsageError(f"There is no folder {folder}.")
    waiting = unsent(folder)
    problems = send_unsent(waiting)
    sent = len(waiting) - len(problems)
    print(f"Recorded {sent} of {len(waiting)} waiting runs." if waiting else "Nothing waits.")
    for problem in problems:
        print(problem, file=sys.stderr)
    return UNSENT_LEFT if problems else SUCCESS


def copy_to(source: str | None, target: str, experiment_name: str) -> None:
    """Copy an experiment's runs between stores, and say what became of them.

    Raises:
        UsageError: a store cannot be used, or they are one.
    """
    from rnn_bench.config.tracking import Tracking
    from rnn_bench.tracking.store import open_existing, open_store, store_uri

    to = Tracking(uri=target, experiment_name=experiment_name)
    here, there = store_uri(Tracking(uri=source)), store_uri(to)
    if here == there:
        raise UsageError(f"{there} is what is copied from: name another store with --from or --to.")
    stores = open_existing(source, experiment_name), open_store(to)
    copied = watched_copy(*stores)
    told = [
        f"{len(copied.new)} runs copied",
        f"{len(copied.updated)} brought up to date",
        f"{len(copied.there)} there already",
    ]
    print(f"{', '.join(told)}: {here} to {there}")
    for run in copied.living:
        print(f"Left out: {run.info.run_name}: {run.data.tags.get('owner')} is training it.")


def watched_copy(source: "Store", target: "Store") -> "Copied":
    """Copy with a bar for a person, else with a line for each run that is copied."""
    from mlflow.entities import Run
    from rich.progress import Progress

    from rnn_bench.tracking.copying import copy_record
    from rnn_bench.training.console import console

    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("Copying", total=None)

        def watch(done: int, total: int, run: Run, became: str) -> None:
            bar.update(task, completed=done, total=total)
            if not console.is_terminal and became in ("new", "updated"):
                print(f"{done}/{total}  {run.info.run_name}  {became}", flush=True)

        return copy_record(source, target, watch)


if __name__ == "__main__":
    sys.exit(main())

"""The command `list`: print the recorded sweeps, the newest first."""

import argparse

from rnn_bench.config.errors import printable
from rnn_bench.tracking.store import open_existing, store_errors
from rnn_bench.tracking.sweeps import Sweep, recorded_sweeps


def run(arguments: argparse.Namespace) -> None:
    """Print a line for each sweep: its id, when it began, its runs by state, and its command.

    Raises:
        UsageError: there is no such store or experiment, or it cannot be read.
    """
    client, experiment_id = open_existing(arguments.tracking_uri, arguments.experiment_name)
    with store_errors(str(client.tracking_uri)):
        sweeps = recorded_sweeps(client, experiment_id)
    if not sweeps:
        print("There is no sweep in the record yet. Make one: python -m rnn_bench -m ...")
        return
    rows = [("sweep", "began", "runs", "command"), *map(_row, sweeps)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
    for *cells, command in rows:
        padded = [f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)]
        print(printable("  ".join([*padded, command]).rstrip()))


def _row(sweep: Sweep) -> tuple[str, str, str, str]:
    began = f"{sweep.start:%Y-%m-%d %H:%M}" if sweep.start else ""
    states = [f"{count} {state}" for state, count in sorted(sweep.states.items())]
    unrecorded = (sweep.asked or 0) - sum(sweep.states.values())
    if unrecorded > 0:
        states.append(f"{unrecorded} not begun")
    return sweep.id, began, ", ".join(states), sweep.command

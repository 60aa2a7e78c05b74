"""The command `report`: write the report on a sweep."""

import argparse
import os
from pathlib import Path

from mlflow import MlflowClient

from rnn_bench.report.analysis import Results
from rnn_bench.report.assembly import assemble_report
from rnn_bench.report.files import write_report
from rnn_bench.tracking.store import open_existing, store_errors
from rnn_bench.tracking.sweeps import latest_sweep, read_sweep


def run(arguments: argparse.Namespace) -> None:
    """Write the report and print the page's path.

    Raises:
        UsageError: there is no such store or sweep, or the folder cannot be written.
    """
    client, experiment_id = open_existing(arguments.tracking_uri, arguments.experiment_name)
    sweep_id = arguments.sweep
    if sweep_id == "latest":
        with store_errors(str(client.tracking_uri)):
            sweep_id = latest_sweep(client, experiment_id)
    print(make_report(client, experiment_id, sweep_id, arguments.out or Path("reports", sweep_id)))


def make_report(
    client: MlflowClient, experiment_id: str, sweep_id: str, folder: str | Path
) -> Path:
    """Write the report on a sweep into a folder; return the page's path.

    Raises:
        UsageError: there is no such sweep, or the folder cannot be written.
    """
    with store_errors(str(client.tracking_uri)):
        return write_results(Results(read_sweep(client, experiment_id, sweep_id)), folder)


def write_results(results: Results, folder: str | Path) -> Path:
    """Write the report on a sweep's results into a folder; return the page's path.

    Raises:
        UsageError: the folder cannot be written.
    """
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    return write_report(assemble_report(results), Path(folder))

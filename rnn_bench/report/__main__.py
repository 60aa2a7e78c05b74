"""The command `python -m rnn_bench.report`, which writes the report on a sweep."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rnn_bench.config.errors import UsageError

if TYPE_CHECKING:
    from mlflow import MlflowClient

SUCCESS, UNUSABLE = 0, 2

DESCRIPTION = """\
Write the report on a sweep, from what MLflow has recorded: one HTML page that
needs no network, its tables as Markdown, CSV and LaTeX, its figures as SVG.
A sweep that is not finished, or has failed runs, is reported as far as it goes."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line. Return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m rnn_bench.report",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--sweep", metavar="ID", default="latest", help="by default the latest")
    parser.add_argument("--out", metavar="FOLDER", help="by default reports/<sweep id>")
    parser.add_argument(
        "--tracking-uri",
        metavar="URI",
        help="MLflow's store; by default $MLFLOW_TRACKING_URI, else mlflow.db in this folder",
    )
    parser.add_argument("--experiment-name", metavar="NAME", default="rnn-bench")
    arguments = parser.parse_args(argv)
    try:
        from rnn_bench.tracking.store import open_existing

        client, experiment_id = open_existing(arguments.tracking_uri, arguments.experiment_name)
        page = make_report(client, experiment_id, arguments.sweep, arguments.out)
    except UsageError as error:
        if os.environ.get("HYDRA_FULL_ERROR"):
            raise
        print(error, file=sys.stderr)
        return UNUSABLE
    print(page)
    return SUCCESS


def make_report(
    client: "MlflowClient", experiment_id: str, sweep_id: str, folder: str | Path | None
) -> Path:
    """Write the report on a sweep, or on the `latest`, into a folder, by default
    `reports/<sweep id>`. Return the page's path.

    Raises:
        UsageError: there is no such sweep, or the folder cannot be written.
    """
    from rnn_bench.report.analysis import Results
    from rnn_bench.report.assembly import assemble_report
    from rnn_bench.report.files import write_report
    from rnn_bench.tracking.sweeps import latest_sweep, read_sweep

    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    if sweep_id == "latest":
        sweep_id = latest_sweep(client, experiment_id)
    report = assemble_report(Results(read_sweep(client, experiment_id, sweep_id)))
    return write_report(report, Path(folder or Path("reports", sweep_id)))


if __name__ == "__main__":
    sys.exit(main())

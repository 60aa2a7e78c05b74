"""What a test's sweeps recorded and reported."""

from pathlib import Path

from rnn_bench.config.tracking import Tracking
from rnn_bench.report.analysis import Results
from rnn_bench.tracking.store import open_store
from rnn_bench.tracking.sweeps import latest_sweep, read_sweep


def latest_results(folder: Path = Path()) -> Results:
    """Return the results of the latest sweep of a working folder."""
    client, experiment_id = open_store(Tracking(uri=f"sqlite:///{folder / 'mlflow.db'}"))
    return Results(read_sweep(client, experiment_id, latest_sweep(client, experiment_id)))


def report_page(folder: Path) -> str:
    """Return the page of a working folder's only report."""
    (found,) = (folder / "reports").glob("*/index.html")
    return found.read_text(encoding="utf-8")

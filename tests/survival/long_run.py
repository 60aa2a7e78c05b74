"""A run of some seconds in a process of its own, and what it has recorded."""

import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Run

from tests.conftest import SMALL, changed

# Dropout draws a random number at every step, so that a resumed run needs its random state.
LONG = changed(
    SMALL,
    *("model.dropout=0.5", "dataset.articles=1280"),
    *("protocol.epochs=40", "protocol.patience=null"),
)


def started(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "rnn_bench", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def wait_for(what: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not what():
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.05)


def kill_after_some_epochs(
    workplace: Path, recorded_runs: Callable[[], list[Run]], *arguments: str
) -> None:
    """Start a run, and kill it somewhere between its second and its twentieth epoch."""
    process, epochs = started(*arguments), random.randrange(2, 20)
    wait_for(
        lambda: any(len(history(workplace, run, "val_loss")) >= epochs for run in recorded_runs()),
        process,
    )
    process.kill()
    process.communicate()


def history(workplace: Path, run: Run, metric: str) -> list[tuple[int, float]]:
    client = MlflowClient(f"sqlite:///{workplace / 'mlflow.db'}")
    return [(each.step, each.value) for each in client.get_metric_history(run.info.run_id, metric)]


def predictions(run: Run) -> pd.DataFrame:
    folder = Path(run.info.artifact_uri.removeprefix("file://"))
    return pd.read_csv(folder / "test_predictions.csv")

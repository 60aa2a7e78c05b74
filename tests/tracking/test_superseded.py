"""Which recorded runs are reused after a change, and what a sweep says of those that are not."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from rnn_bench.evaluation import metrics
from rnn_bench.tracking import schema
from rnn_bench.tracking.superseded import describe_changes
from tests.conftest import SMALL, Command

Runs = Callable[[], list[Run]]
PACKAGE = Path(metrics.__file__).parents[2]
SWEEP = ("-m", "model=rnn,gru", *SMALL)


def test_a_raised_cell_version_trains_that_cell_s_runs_alone_and_says_so(
    rnn_bench: Command, recorded_runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rnn_bench(*SWEEP).status == 0
    monkeypatch.setattr("rnn_bench.models.cells.gru.GRU.version", 2)
    answer = rnn_bench(*SWEEP)
    assert answer.status == 0
    assert "1 run is new: cell GRU 2, recorded with 1." in answer.out
    assert sorted(run.data.tags["model"] for run in recorded_runs()) == ["gru", "gru", "rnn"]
    again = rnn_bench(*SWEEP)
    assert "new:" not in again.out
    assert len(recorded_runs()) == 3


def test_a_plan_says_why_runs_are_new(rnn_bench: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    rnn_bench(*SWEEP)
    monkeypatch.setattr("rnn_bench.tracking.run_key.RECIPE_VERSION", 2)
    answer = rnn_bench(*SWEEP, "plan=true")
    assert "2 runs are new: training recipe 2, recorded with 1." in answer.out


def test_runs_from_before_versions_are_named_as_such(
    rnn_bench: Command, recorded_runs: Runs, workplace: Path
) -> None:
    rnn_bench(*SWEEP)
    client = MlflowClient(f"sqlite:///{workplace / 'mlflow.db'}")
    for run in recorded_runs():
        for tag in (schema.QUESTION_KEY, schema.RESULT_VERSIONS):
            client.delete_tag(run.info.run_id, tag)
        client.set_tag(run.info.run_id, schema.RUN_KEY, "of another kind")
    answer = rnn_bench(*SWEEP)
    assert answer.out.count("2 runs are new: recorded before results had versions.") == 1
    assert len(recorded_runs()) == 4


def test_changes_are_told_part_by_part() -> None:
    now = {"cell GRU": 3, "training recipe": 2, "encoding": 1, "model my.Model": "ab"}
    then = {"cell GRU": 1, "training recipe": 1, "encoding": 1, "model my.Model": "cd"}
    assert describe_changes(now, then) == (
        "cell GRU 3, recorded with 1 and training recipe 2, recorded with 1 and "
        "the code of model my.Model changed"
    )


# --- metrics -------------------------------------------------------------------------------------


def test_a_new_metric_is_computed_for_the_runs_that_are_there(
    rnn_bench: Command, recorded_runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    rnn_bench(*SWEEP)
    new = metrics.Metric(lambda predictions: float(len(predictions.labels)))
    monkeypatch.setitem(metrics.METRICS, "test_articles", new)
    answer = rnn_bench(*SWEEP)
    assert answer.status == 0
    assert len(recorded_runs()) == 2
    for run in recorded_runs():
        assert run.data.metrics["test_articles"] == 96
        assert json.loads(run.data.tags[schema.METRIC_VERSIONS])["test_articles"] == 1


def test_a_new_metric_of_classes_is_computed_for_the_runs_that_are_there(
    rnn_bench: Command, recorded_runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    rnn_bench(*SMALL)
    counts = metrics.Metric(lambda found: np.bincount(found.labels, minlength=2), by_class=True)
    monkeypatch.setitem(metrics.METRICS, "test_count", counts)
    rnn_bench(*SMALL)
    (run,) = recorded_runs()
    found = [run.data.metrics[f"test_count/{name}"] for name in ("fake", "real")]
    assert sum(found) == 96
    assert min(found) > 0


def test_a_corrected_metric_takes_the_old_one_s_place(
    rnn_bench: Command, recorded_runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    rnn_bench(*SMALL)
    corrected = metrics.Metric(lambda predictions: 0.125, 2)
    monkeypatch.setitem(metrics.METRICS, "test_macro_f1", corrected)
    rnn_bench(*SMALL)
    (run,) = recorded_runs()
    assert run.data.metrics["test_macro_f1"] == 0.125


def test_a_metric_whose_predictions_are_lost_is_a_warning(
    rnn_bench: Command, recorded_runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    rnn_bench(*SMALL)
    (run,) = recorded_runs()
    Path(run.info.artifact_uri.removeprefix("file://"), "test_predictions.csv").unlink()
    monkeypatch.setitem(metrics.METRICS, "test_new", metrics.Metric(lambda predictions: 1.0, 1))
    answer = rnn_bench(*SMALL)
    assert answer.status == 0
    assert "has no current test_new, and no stored predictions to compute it from" in answer.out


# --- what may be edited freely -------------------------------------------------------------------

EDITS = [
    ("training/epochs.py", "\n\n\n", "\n\n\n# Another comment.\n"),
    ("models/recurrent.py", '"""', '"""Another docstring. '),
    ("data/download.py", "STALL_SECONDS = 60", "STALL_SECONDS = 61"),
    ("evaluation/metrics/macro_f1.py", "float(", "1.0 * float("),
    ("config/protocol.py", "articles a batch", "articles in a batch"),
]


def test_edits_that_change_no_result_reuse_recorded_runs(workplace: Path) -> None:
    """A comment, a docstring, fetching, a metric, a key's help, and a new cell."""
    package = workplace / "copy" / "rnn_bench"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(PACKAGE.parent / "conf", package / "conf", dirs_exist_ok=True)

    def run() -> str:
        environment = {**os.environ, "PYTHONPATH": str(package.parent)}
        command = [sys.executable, "-m", "rnn_bench", *SMALL]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "reused" not in run()
    for file, old, new in EDITS:
        text = (package / file).read_text()
        assert old in text
        (package / file).write_text(text.replace(old, new, 1))
    cell = (package / "models/cells/gru.py").read_text()
    (package / "models/cells/other.py").write_text(cell.replace("class GRU", "class Other"))
    assert "reused" in run()

"""Accuracies on other corpora, and beside published ones."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from rnn_bench.report.assembly import assemble_report
from rnn_bench.report.explanations import explain_numbers
from tests.conftest import SMALL_CORPUS, Command
from tests.recorded import latest_results

Runs = Callable[[], list[Run]]
pytestmark = pytest.mark.usefixtures("reported")


def test_transfer_and_published_accuracies_have_sections(
    rnn_bench: Command, recorded_runs: Runs, workplace: Path
) -> None:
    rnn_bench("-m", "model=majority", "seed=0,1,2", *SMALL_CORPUS)
    client = MlflowClient(f"sqlite:///{workplace / 'mlflow.db'}")
    published = [{"model": "gru", "accuracy": 0.9944, "source": "a notebook", "same_recipe": True}]
    tags = {"dataset": "isot", "model": "gru", "protocol": "notebook", "data_edition": "published"}
    tags["published"] = json.dumps(published)
    for run, accuracy in zip(recorded_runs(), (0.6, 0.65, 0.7), strict=True):
        for name, value in tags.items():
            client.set_tag(run.info.run_id, name, value)
        client.log_metric(run.info.run_id, "test_accuracy_batch_mean", 0.89 + accuracy / 5 - 0.12)
        client.log_metric(run.info.run_id, "transfer/kaggle/accuracy", accuracy)
        client.log_metric(run.info.run_id, "transfer/kaggle/unknown_share", 0.25)
    tables = {table.name: table for table in assemble_report(latest_results()).tables}
    assert [*tables["transfer"].columns[-2:]] == ["tested on kaggle", "seeds"]
    assert tables["transfer"].rows[0][-2] == "0.6500 (0.5258 to 0.7742)"
    assert tables["unknown"].rows[0][-2:] == ("25.0%", "3")
    row = tables["published"].rows[0]
    assert row[1:5] == ("gru", "a notebook", "gru", "0.9944")
    assert row[5:8] == ("0.9000", "0.8752 to 0.9248", "3 seeds")
    assert row[8].startswith("-0.0944, beyond the spreads (0.")
    for run in recorded_runs():
        client.set_tag(run.info.run_id, "data_edition", "sample")
    found = latest_results()
    tables = {table.name: table for table in assemble_report(found).tables}
    assert tables["published"].rows[0][-1].startswith("not comparable: these articles are a sample")
    assert "The articles of isot are a sample of the published ones." in explain_numbers(found)


def test_the_folds_of_a_corpus_are_one_accuracy_beside_the_published_one(
    rnn_bench: Command, recorded_runs: Runs, workplace: Path
) -> None:
    folds = ("dataset.folds=3", "dataset.fold=0,1,2")
    rnn_bench("-m", "model=tfidf,majority", *folds, *SMALL_CORPUS)
    client = MlflowClient(f"sqlite:///{workplace / 'mlflow.db'}")
    published = [
        {"model": "majority", "accuracy": 0.99, "source": "a paper"},
        {"model": "CNN", "accuracy": 0.9, "source": "another"},
        {"model": "tfidf", "accuracy": 0.8, "source": "a third", "train_size": 0.1},
        {"model": "tfidf", "accuracy": 0.99, "source": "a fourth", "spread": 0.9},
    ]
    for run in recorded_runs():
        client.set_tag(run.info.run_id, "published", json.dumps(published))
        client.set_tag(run.info.run_id, "data_edition", "published")
    runs = recorded_runs()
    tables = {table.name: table for table in assemble_report(latest_results()).tables}
    rows = {row[1]: row for row in tables["published"].rows}
    assert [*rows] == ["majority", "tfidf"]  # no network, and another size of training
    for model, row in rows.items():
        of_folds = [run.data.metrics for run in runs if run.data.tags["model"] == model]
        accuracy = sum(metrics["test_accuracy"] for metrics in of_folds) / len(of_folds)
        assert row[5] == f"{accuracy:.4f}"  # the folds have 64 articles each
        assert row[7] == "3 splits"
    assert "beyond the spreads" in rows["majority"][-1]
    assert "within the spreads" in rows["tfidf"][-1]

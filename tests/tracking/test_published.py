"""Published accuracies are recorded with the runs of their corpus."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from rnn_bench.config.schema import Config
from rnn_bench.tracking.run_key import run_key, settings
from tests.conftest import Command
from tests.evaluation.test_transfer import write_isot

ISOT = {"rnn": 0.5021, "lstm": 0.9869, "gru": 0.9944}


def published(run: Run) -> dict[str, float]:
    found = json.loads(run.data.tags["published"])
    assert all(each["same_recipe"] and each["source"] for each in found)
    return {each["model"]: each["accuracy"] for each in found}


def test_a_run_records_what_was_published_on_its_corpus(
    workplace: Path, rnn_bench: Command, recorded_runs: Callable[[], list[Run]]
) -> None:
    write_isot(workplace / "data")
    assert rnn_bench("dataset=isot", "model=majority").status == 0
    (run,) = recorded_runs()
    assert published(run) == ISOT
    assert not any("published" in name for name in run.data.params)


def test_a_corpus_without_published_results_records_none(
    rnn_bench: Command, recorded_runs: Callable[[], list[Run]]
) -> None:
    assert rnn_bench("model=majority", "dataset.articles=100").status == 0
    (run,) = recorded_runs()
    assert "published" not in run.data.tags


def test_a_reused_run_gets_what_was_published_since(
    workplace: Path, rnn_bench: Command, recorded_runs: Callable[[], list[Run]]
) -> None:
    write_isot(workplace / "data")
    rnn_bench("dataset=isot", "model=majority")
    (run,) = recorded_runs()
    client = MlflowClient(f"sqlite:///{workplace / 'mlflow.db'}")
    client.delete_tag(run.info.run_id, "published")
    assert "reused" in rnn_bench("dataset=isot", "model=majority").out
    (run,) = recorded_runs()
    assert published(run) == ISOT


@pytest.mark.parametrize(
    "override",
    ["dataset.licence=mine", "dataset.cite=me", "dataset.published=[]", "dataset.source=http://x"],
)
def test_what_describes_a_corpus_decides_no_run(
    override: str, configured: Callable[..., Config]
) -> None:
    described, plain = configured("dataset=mr", override), configured("dataset=mr")
    assert run_key(described, "f") == run_key(plain, "f")
    assert "dataset.licence" not in settings(described)

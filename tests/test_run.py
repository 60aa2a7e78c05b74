"""What a run leaves in MLflow."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import cloudpickle
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from safetensors.torch import load_file

from rnn_bench.sweep.job import train_job
from rnn_bench.tracking.recorded_run import RecordedRun
from tests.conftest import PLAIN, SMALL, SMALL_CORPUS, Command, changed

Runs = Callable[[], list[Run]]


def artifacts(run: Run) -> Path:
    return Path(run.info.artifact_uri.removeprefix("file://"))


def history(workplace: Path, run: Run, metric: str) -> list[tuple[int, float]]:
    client = MlflowClient(f"sqlite:///{workplace / 'mlflow.db'}")
    return [(each.step, each.value) for each in client.get_metric_history(run.info.run_id, metric)]


def test_a_run_leaves_one_finished_row_with_its_settings(
    rnn_bench: Command, recorded_runs: Runs
) -> None:
    assert rnn_bench(*SMALL, "seed=4").status == 0
    (run,) = recorded_runs()
    assert run.info.status == "FINISHED"
    assert run.info.run_name == (
        "gru-demo-articles192-length12-cue_distance2-marker_distance3"
        "-embedding_dim8-hidden_size8-epochs2-s4"
    )
    parameters, tags = run.data.params, run.data.tags
    assert (parameters["model.cell"], parameters["optimizer.lr"], parameters["seed"]) == (
        "gru",
        "0.003",
        "4",
    )
    expected = {
        "dataset": "demo",
        "model": "gru",
        "kind": "network",
        "optimizer": "adam",
        "protocol": "fair",
        "seed": "4",
        "outcome": "unlearned",
        "data_edition": "other",
        "threads": "1",
        "device": "cpu",
        "concurrent_jobs": "1",
        f"sweep.{tags['sweep_id']}": "trained",
    }
    assert {name: tags[name] for name in expected} == expected
    assert tags["kernel"] in ("fused", "torch-native")
    assert len(tags["run_key"]) == len(tags["config_key"]) == 32
    assert {"version.torch", "version.rnn_bench", "version.python"} <= tags.keys()


def test_a_run_records_every_epoch_and_the_test(
    rnn_bench: Command, recorded_runs: Runs, workplace: Path
) -> None:
    rnn_bench(*SMALL)
    (run,) = recorded_runs()
    for metric in ("train_loss", "val_loss", "val_accuracy", "epoch_seconds"):
        assert [step for step, _ in history(workplace, run, metric)] == [1, 2]
    assert {
        "test_accuracy",
        "test_loss",
        "test_macro_f1",
        "best_epoch",
        "train_seconds",
        "tokens_per_second",
        "peak_memory_bytes",
        "parameter_count",
    } <= run.data.metrics.keys()
    assert "test_accuracy_batch_mean" not in run.data.metrics
    tags = {"trained_epochs", "learned_epoch", "training_seconds"}
    tags |= {f"truncated/{split}" for split in ("train", "validation", "test")}
    assert tags <= run.data.tags.keys()
    assert not tags & run.data.metrics.keys(), "MLflow would draw a chart of each"
    assert float(run.data.tags["training_seconds"]) <= run.data.metrics["train_seconds"]
    assert run.data.metrics["peak_memory_bytes"] > 100e6


def test_the_notebook_protocol_records_the_study_s_batch_mean_too(
    rnn_bench: Command, recorded_runs: Runs
) -> None:
    rnn_bench(*SMALL, "protocol=notebook")
    (run,) = recorded_runs()
    assert "test_accuracy_batch_mean" in run.data.metrics


def test_the_data_is_logged_as_an_mlflow_dataset(rnn_bench: Command, recorded_runs: Runs) -> None:
    rnn_bench(*SMALL)
    (run,) = recorded_runs()
    (logged,) = run.inputs.dataset_inputs
    assert logged.dataset.name == "demo"
    assert json.loads(logged.dataset.profile)["articles"] == {
        "train": 77,
        "validation": 19,
        "test": 96,
    }


def test_each_run_records_how_many_articles_it_was_trained_on(
    rnn_bench: Command, recorded_runs: Runs
) -> None:
    """MLflow keeps one profile of the dataset, which is the same for both."""
    rnn_bench("-m", "model=majority", "dataset.train_size=1,0.5", *SMALL_CORPUS)
    client = Mock(spec=MlflowClient)
    sizes = [RecordedRun(run, client).split_sizes for run in recorded_runs()]
    assert [[*each.values()] for each in sizes] == [[77, 19, 96], [39, 9, 96]]


@pytest.mark.usefixtures("audited")
@pytest.mark.parametrize("model", ["gru", "tfidf", "majority"])
def test_weights_vocabulary_and_predictions_are_artifacts(
    model: str, rnn_bench: Command, recorded_runs: Runs
) -> None:
    small = SMALL if model == "gru" else SMALL_CORPUS
    rnn_bench(f"model={model}", *small)
    (run,) = recorded_runs()
    assert run.data.tags["kind"] == ("network" if model == "gru" else "baseline")
    folder = artifacts(run)
    assert sorted(path.name for path in folder.iterdir()) == [
        "audit.json",
        "config.yaml",
        "log.txt",
        "model",
        "test_predictions.csv",
        "vocabulary.json",
        "weights.safetensors",
    ]
    predictions = pd.read_csv(folder / "test_predictions.csv")
    assert [*predictions] == ["article", "label", "prediction", "p_fake", "p_real"]
    right = (predictions["label"] == predictions["prediction"]).mean()
    assert right == pytest.approx(run.data.metrics["test_accuracy"])
    np.testing.assert_allclose(predictions[["p_fake", "p_real"]].sum(axis=1), 1, rtol=1e-6)
    weights = load_file(folder / "weights.safetensors")
    count = sum(value.numel() for value in weights.values())
    assert count == run.data.metrics["parameter_count"]
    vocabulary = json.loads((folder / "vocabulary.json").read_text())
    assert vocabulary["words"][:2] == ["<pad>", "<unk>"]
    assert "test accuracy" in (folder / "log.txt").read_text()
    assert "name: demo" in (folder / "config.yaml").read_text()


def test_a_diverged_run_is_finished_and_says_so(rnn_bench: Command, recorded_runs: Runs) -> None:
    answer = rnn_bench(
        *SMALL,
        "optimizer=sgd",
        "optimizer.lr=1e38",
        "protocol.gradient_clip_norm=null",
        "protocol.evaluated_weights=last",
    )
    (run,) = recorded_runs()
    assert answer.status == 0
    assert (run.info.status, run.data.tags["outcome"]) == ("FINISHED", "diverged")
    assert "test_accuracy" in run.data.metrics
    assert "diverged" in answer.out


def test_two_directions_are_computed_by_the_same_code_as_one(
    rnn_bench: Command, recorded_runs: Runs
) -> None:
    torch = "model=lstm", "model.kernel=torch"
    rnn_bench(*SMALL, *torch, "model.bidirectional=true", "model.num_layers=2")
    rnn_bench(*SMALL, *torch)
    assert [run.data.tags["kernel"] for run in recorded_runs()] == [
        "torch-oneDNN",
        "torch-oneDNN",
    ]


def test_in_bfloat16_a_cpu_computes_cells_step_by_step(
    rnn_bench: Command, recorded_runs: Runs
) -> None:
    assert rnn_bench(*SMALL, "protocol.precision=bfloat16").status == 0
    (run,) = recorded_runs()
    assert run.data.tags["kernel"] == "torch-steps"
    assert run.data.params["protocol.precision"] == "bfloat16"


def test_a_baseline_has_no_precision_that_a_device_could_lack(rnn_bench: Command) -> None:
    assert rnn_bench(*SMALL_CORPUS, "model=majority", "protocol.precision=tf32").status == 0


def test_the_same_question_is_not_trained_twice(rnn_bench: Command, recorded_runs: Runs) -> None:
    rnn_bench(*SMALL)
    answer = rnn_bench(*SMALL)
    (run,) = recorded_runs()
    assert "reused" in answer.out
    sweeps = {value for name, value in run.data.tags.items() if name.startswith("sweep.")}
    assert sweeps == {"trained", "reused"}
    (row,) = (line for line in answer.out.splitlines() if line.startswith("demo "))
    assert f"{run.data.metrics['test_accuracy']:.4f}" in row.split()


def test_rerun_trains_again_to_the_same_losses(
    rnn_bench: Command, recorded_runs: Runs, workplace: Path
) -> None:
    rnn_bench(*SMALL)
    rnn_bench(*SMALL, "rerun=true")
    first, second = recorded_runs()
    for metric in ("train_loss", "val_loss"):
        assert history(workplace, first, metric) == history(workplace, second, metric)


@pytest.mark.parametrize("single", [True, False])
def test_a_device_that_is_not_there_is_refused_before_anything_is_recorded(
    single: bool, rnn_bench: Command, recorded_runs: Runs
) -> None:
    answer = rnn_bench(*([] if single else ["-m"]), *SMALL, "device=cuda:7")
    assert answer.status == 2
    assert answer.err.startswith("device=cuda:7 is not possible: torch sees")
    assert recorded_runs() == []


def test_a_job_travels_to_another_process(workplace: Path) -> None:
    job = pickle.loads(cloudpickle.dumps(train_job))
    assert job.__name__ == train_job.__name__


LATE = changed(
    PLAIN,
    *("model=rnn", "dataset.articles=2400", "dataset.length=30"),
    *("dataset.cue_distance=14", "dataset.marker_distance=3"),
    *("model.hidden_size=16", "model.embedding_dim=16", "optimizer.lr=0.003", "threads=1"),
    *("protocol.epochs=40", "protocol.patience=2", "model.kernel=torch"),
)


def test_patience_that_counts_from_learning_does_not_end_a_run_that_learns_late(
    rnn_bench: Command, recorded_runs: Runs
) -> None:
    for count_from in ("start", "learning"):
        assert rnn_bench(*LATE, f"protocol.patience_from={count_from}").status == 0
    soon, late = recorded_runs()
    assert (soon.data.tags["outcome"], soon.data.tags["learned_epoch"]) == ("unlearned", "0")
    assert late.data.tags["outcome"] == "finished"
    assert int(late.data.tags["learned_epoch"]) > int(soon.data.tags["trained_epochs"])
    assert int(late.data.tags["trained_epochs"]) < 40, "patience ends it once it has learned"
    assert late.data.tags["run_key"] != soon.data.tags["run_key"]


def test_a_run_that_learns_nothing_goes_on_to_the_end_and_is_an_answer(
    rnn_bench: Command, recorded_runs: Runs
) -> None:
    still = ("optimizer.lr=1e-12", "protocol.patience=1", "protocol.patience_from=learning")
    answer = rnn_bench(*SMALL, *still, "protocol.min_updates=11")
    (run,) = recorded_runs()
    assert answer.status == 0
    assert (run.info.status, run.data.tags["outcome"]) == ("FINISHED", "unlearned")
    assert run.data.tags["trained_epochs"] == "4", "of 3 batches, for 11 updates"
    assert "epoch  4/4" in answer.out
    assert " unlearned" in next(line for line in answer.out.splitlines() if line[:5] == "demo ")
    assert "reused" in rnn_bench(*SMALL, *still, "protocol.min_updates=11").out
    assert "unlearned" not in rnn_bench(*SMALL_CORPUS, "model=majority").out

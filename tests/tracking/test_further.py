"""The gradient flow of runs, as they end and once they are finished."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from mlflow import MlflowClient
from mlflow.entities import Run
from safetensors.torch import save_file

from rnn_bench.config.schema import Config
from rnn_bench.data.encoding import encoded_corpus
from rnn_bench.evaluation.gradient_flow import reach
from rnn_bench.tracking.further import evaluate_finished_run, missing_evaluations
from tests.conftest import SMALL, SMALL_CORPUS, Command
from tests.test_run import artifacts, history

Runs = Callable[[], list[Run]]
FOLLOWED = ("evaluation.gradient_flow=true",)
COLUMNS = ["initial_input", "initial_state", "trained_input", "trained_state"]


def flow_of(run: Run) -> pd.DataFrame:
    return pd.read_csv(artifacts(run) / "gradient_flow.csv")


@pytest.mark.parametrize("protocol", ["fair", "notebook"])
def test_a_run_records_the_gradient_flow(
    protocol: str, rnn_bench: Command, recorded_runs: Runs
) -> None:
    rnn_bench(*SMALL, *FOLLOWED, f"protocol={protocol}")
    (run,) = recorded_runs()
    table = flow_of(run)
    assert table["articles"][0] == 96
    assert (table[COLUMNS] > 0).all(axis=None)
    for by in ("input", "state"):
        assert not np.allclose(table[f"initial_{by}"], table[f"trained_{by}"])
    for name in COLUMNS:
        expected = reach(table[name].to_numpy())
        assert run.data.metrics[f"gradient_flow/{name}_reach"] == expected
    assert (artifacts(run) / "log.txt").read_text().count("gradients by input fall to 1 %") == 1


def test_a_finished_run_is_followed_later_without_training(
    rnn_bench: Command, recorded_runs: Runs, workplace: Path
) -> None:
    rnn_bench(*SMALL)
    (before,) = recorded_runs()
    weights = (artifacts(before) / "weights.safetensors").read_bytes()
    losses = history(workplace, before, "train_loss")
    assert rnn_bench(*SMALL, *FOLLOWED).status == 0
    (run,) = recorded_runs()
    assert (artifacts(run) / "weights.safetensors").read_bytes() == weights
    assert history(workplace, run, "train_loss") == losses
    assert (run.info.status, run.info.end_time) == ("FINISHED", before.info.end_time)
    assert before.data.metrics.items() <= run.data.metrics.items()

    rnn_bench(*SMALL, *FOLLOWED, "rerun=true")
    trained_with_it = recorded_runs()[1]
    pd.testing.assert_frame_equal(flow_of(run), flow_of(trained_with_it))
    for name in COLUMNS:
        name = f"gradient_flow/{name}_reach"
        assert run.data.metrics[name] == trained_with_it.data.metrics[name]


def test_a_run_that_was_followed_by_its_hidden_states_alone_is_followed_anew(
    rnn_bench: Command, recorded_runs: Runs, workplace: Path
) -> None:
    rnn_bench(*SMALL)
    (before,) = recorded_runs()
    client = MlflowClient(f"sqlite:///{workplace / 'mlflow.db'}")
    for name in ("initial_reach", "trained_reach"):
        client.log_metric(before.info.run_id, f"gradient_flow/{name}", 3)
    file = artifacts(before) / "gradient_flow.csv"
    file.write_text("steps_back,articles,initial,trained\n0,96,1,1\n")
    assert rnn_bench(*SMALL, *FOLLOWED).status == 0
    (run,) = recorded_runs()
    assert [*flow_of(run)] == ["steps_back", "articles", *COLUMNS]
    assert run.data.metrics["gradient_flow/trained_input_reach"] > 0
    assert len(history(workplace, run, "train_loss")) == 2  # it was not trained again


def test_what_is_followed_is_not_followed_again(
    rnn_bench: Command, recorded_runs: Runs, workplace: Path
) -> None:
    rnn_bench(*SMALL, *FOLLOWED)
    (run,) = recorded_runs()
    file = artifacts(run) / "gradient_flow.csv"
    file.write_text("as it was")
    rnn_bench(*SMALL, *FOLLOWED)
    assert file.read_text() == "as it was"
    assert len(history(workplace, run, "gradient_flow/trained_input_reach")) == 1


def test_a_diverged_run_s_gradients_are_recorded_as_they_are(
    rnn_bench: Command, recorded_runs: Runs
) -> None:
    diverging = ("optimizer=sgd", "optimizer.lr=3e38", "protocol.batch_size=2")
    last = ("protocol.gradient_clip_norm=null", "protocol.evaluated_weights=last")
    assert rnn_bench(*SMALL, *FOLLOWED, *diverging, *last).status == 0
    (run,) = recorded_runs()
    assert run.data.tags["outcome"] == "diverged"
    table = flow_of(run)
    assert np.isfinite(table[["initial_input", "initial_state"]]).all(axis=None)
    assert table[["trained_input", "trained_state"]].isna().all(axis=None)
    assert math.isnan(run.data.metrics["gradient_flow/trained_input_reach"])
    rnn_bench(*SMALL, *FOLLOWED, *diverging, *last)
    (again,) = recorded_runs()
    assert (artifacts(again) / "log.txt").read_text().count("gradients by input fall to 1 %") == 1


def test_a_baseline_has_no_gradient_flow_and_says_so(
    rnn_bench: Command, recorded_runs: Runs
) -> None:
    for _ in range(2):  # as the run ends, and once it is finished
        answer = rnn_bench(*SMALL_CORPUS, "model=majority", *FOLLOWED)
        assert answer.status == 0
        assert "has no steps" in answer.out
    (run,) = recorded_runs()
    assert not any(name.startswith("gradient_flow") for name in run.data.metrics)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (Path.unlink, "its weights are not in MLflow"),
        (lambda file: file.write_bytes(b""), "weights.safetensors is damaged"),
        (lambda file: file.write_bytes(file.read_bytes()[:-9]), "weights.safetensors is damaged"),
        (
            lambda file: save_file({"output.bias": torch.zeros(3)}, file),
            "weights.safetensors does not fit the run's settings",
        ),
    ],
)
def test_a_finished_run_whose_weights_are_gone_or_damaged_fails_to_be_followed(
    damage: Callable[[Path], object], says: str, rnn_bench: Command, recorded_runs: Runs
) -> None:
    rnn_bench(*SMALL)
    (run,) = recorded_runs()
    damage(artifacts(run) / "weights.safetensors")
    answer = rnn_bench(*SMALL, *FOLLOWED)
    assert answer.status == 2
    assert f"Run {run.info.run_id} cannot be evaluated further: {says}" in answer.err
    assert "Traceback" not in answer.err
    assert "rerun=true" in answer.err
    answer = rnn_bench("-m", *SMALL, *FOLLOWED, "seed=0,1")
    assert answer.status == 1
    assert f"Failed: {run.info.run_name}: not evaluated further." in answer.out
    assert {each.info.status for each in recorded_runs()} == {"FINISHED"}


def test_damaged_predictions_leave_a_finished_run_an_answer(
    rnn_bench: Command, recorded_runs: Runs, workplace: Path
) -> None:
    rnn_bench(*SMALL)
    (run,) = recorded_runs()
    client = MlflowClient(f"sqlite:///{workplace / 'mlflow.db'}")
    client.set_tag(run.info.run_id, "metric_versions", '{"test_macro_f1": 0}')  # is outdated
    (artifacts(run) / "test_predictions.csv").write_bytes(b"article,label\n0,\xfc\n")
    answer = rnn_bench(*SMALL)
    assert (answer.status, answer.err) == (0, "")
    assert "no stored predictions to compute it from" in answer.out
    assert "test_predictions.csv is not UTF-8" in answer.out
    (again,) = recorded_runs()
    assert again.data.metrics == run.data.metrics


def test_two_processes_that_follow_a_finished_run_at_once_record_one_answer(
    rnn_bench: Command,
    recorded_runs: Runs,
    workplace: Path,
    configured: Callable[..., Config],
) -> None:
    rnn_bench(*SMALL)
    (run,) = recorded_runs()
    config = configured(*SMALL, *FOLLOWED)
    client = MlflowClient(f"sqlite:///{workplace / 'mlflow.db'}")
    for _ in range(2):  # each has seen the row as it was before
        wanted = missing_evaluations(config, run.data.metrics, "gru")
        evaluate_finished_run(client, run, wanted, config, encoded_corpus(config), "gru")
    assert len(history(workplace, run, "gradient_flow/trained_input_reach")) == 1
    assert flow_of(run)["articles"][0] == 96

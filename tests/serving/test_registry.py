"""The best run of a sweep in MLflow's registry."""

import re

import pytest
from mlflow.entities import Run

from rnn_bench.serving.registry import best_run
from rnn_bench.tracking.recorded_run import RecordedRun
from tests.conftest import PLAIN, Command
from tests.serving.conftest import CSV, TINY, Trained

EPOCHS = ("protocol.epochs=4", "protocol.evaluated_weights=best,last")
SWEEPS = (
    ("model=tfidf,majority", *CSV),
    ("model=majority", "dataset=isot,kaggle"),
    ("model=gru", *CSV, *TINY[:2], *EPOCHS, *PLAIN[1:], "optimizer.lr=1.0", "seed=0,1"),
)


def sweep_of(run: Run) -> str:
    return str(run.data.tags["sweep_id"])


def test_the_run_with_the_lowest_validation_loss_becomes_the_champion(
    there: Trained, serving: Command
) -> None:
    tfidf, majority = (there.run(model=model, dataset="train") for model in ("tfidf", "majority"))
    assert tfidf.data.metrics["val_loss"] < majority.data.metrics["val_loss"]
    for run, accuracy in ((tfidf, 0.0), (majority, 1.0)):  # which the choice must not see
        there.client.log_metric(run.info.run_id, "test_accuracy", accuracy)
    answer = serving("--register", "weather", "--sweep", sweep_of(tfidf))
    assert (answer.status, answer.err) == (0, "")
    assert f"{tfidf.info.run_name} has the lowest validation loss" in answer.out
    assert f"{tfidf.data.metrics['val_loss']:.4f}, after epoch 1" in answer.out
    champion = there.client.get_model_version_by_alias("weather", "champion")
    assert (champion.run_id, champion.status) == (tfidf.info.run_id, "READY")
    (uri,) = re.findall(r"models:/\S+", answer.out)
    by_run = serving("predict", tfidf.info.run_id, "--json", "wet sky")
    assert serving("predict", uri, "--json", "wet sky") == by_run


def test_registering_again_makes_no_second_version(there: Trained, serving: Command) -> None:
    run = there.run(model="tfidf", dataset="train")
    for _ in range(2):
        answer = serving("--register", "again", "--sweep", sweep_of(run))
    assert "is already version 1 of again, and its champion" in answer.out
    assert len(there.client.search_model_versions("name = 'again'")) == 1
    other = there.run(model="gru")
    serving("--register", "again", "--sweep", sweep_of(other))
    assert there.client.get_model_version_by_alias("again", "champion").version == 2
    serving("--register", "again", "--sweep", sweep_of(run))
    assert there.client.get_model_version_by_alias("again", "champion").version == 1


def test_the_loss_is_that_of_the_weights_that_were_tested(there: Trained) -> None:
    differs = False
    for run in (run for run in there.runs if run.data.tags["model"] == "gru"):
        history = there.client.get_metric_history(run.info.run_id, "val_loss")
        losses = [point.value for point in sorted(history, key=lambda point: point.step)]
        last = run.data.params["protocol.evaluated_weights"] == "last"
        expected = losses[-1] if last else min(losses)
        recorded = RecordedRun(run, there.client)
        assert recorded.evaluated_val_loss == expected
        assert recorded.evaluated_epoch == losses.index(expected) + 1
        differs |= losses[-1] > min(losses)
    assert differs
    run = there.run(model="gru")
    _, candidates = best_run(there.client, run.info.experiment_id, sweep_of(run), None)
    assert candidates == 4


def test_runs_on_several_corpora_are_not_compared(there: Trained, serving: Command) -> None:
    sweep = sweep_of(there.run(dataset="isot"))
    answer = serving("--register", "news", "--sweep", sweep)
    assert answer.status == 2
    assert "Name one with --dataset: isot, kaggle." in answer.err
    answer = serving("--register", "news", "--sweep", sweep, "--dataset", "isot")
    assert "Of 1 finished runs" in answer.out


def test_a_corpus_is_looked_for_in_earlier_sweeps(there: Trained, serving: Command) -> None:
    isot = there.run(dataset="isot")
    answer = serving("--register", "earlier", "--dataset", "isot")
    assert (answer.status, answer.err) == (0, "")
    assert f"sweep {sweep_of(isot)} on isot" in answer.out
    answer = serving("--register", "earlier", "--sweep", sweep_of(isot), "--dataset", "demo")
    assert "has no finished run on demo. It has: isot, kaggle." in answer.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--register", "a", "--sweep", "nonsense"), "The record has no sweep nonsense."),
        (("--register", "a/b"), "Invalid"),
        (("--register", ""), "name"),
        (("--register", "a", "--dataset", "demo"), "The record has no finished run on demo."),
        (("--register", "a", "--tracking-uri", "sqlite:///none.db"), "There is no MLflow store"),
        (("--register", "a", "--experiment-name", "empty"), "has no experiment empty"),
    ],
)
def test_what_cannot_be_registered_is_refused_in_a_few_lines(
    arguments: tuple[str, ...], says: str, serving: Command
) -> None:
    answer = serving(*arguments)
    assert (answer.status, answer.out) == (2, "")
    assert says in answer.err
    assert len(answer.err.splitlines()) <= 6


def test_without_arguments_there_is_help(serving: Command) -> None:
    answer = serving()
    assert (answer.status, answer.out) == (2, "")
    assert "register  put the best run" in answer.err
    assert "COMMAND --help" in answer.err

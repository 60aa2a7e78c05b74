"""What a sweep says of settings that were too narrow."""

import math
import re
from collections.abc import Callable
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run

from rnn_bench.sweep.advice import advise
from rnn_bench.tracking.recorded_run import RecordedRun
from tests.conftest import PLAIN, SMALL, SMALL_CORPUS, Command, changed

Runs = Callable[[], list[Run]]


def advice(out: str) -> list[str]:
    return [line for line in out.splitlines() if line.startswith("Mind: ")]


def test_a_best_epoch_at_the_end_of_the_budget_is_named_with_the_key(rnn_bench: Command) -> None:
    learns = ("dataset.articles=960", "optimizer.lr=0.01", "protocol.epochs=4")
    (line,) = advice(rnn_bench(*changed((*SMALL, *PLAIN), *learns)).out)
    assert line == (
        "Mind: The best epoch is the last one of 1 of 1 network runs that learned (gru on demo): "
        "the budget may be too small. Raise protocol.epochs above 4."
    )
    falls = ("protocol.schedule=linear", *learns)
    (line,) = advice(rnn_bench(*changed((*SMALL, *PLAIN), *falls)).out)
    assert line.endswith(
        "that is where the learning rate falls to 0, and a larger budget may do better. "
        "Raise protocol.epochs above 4."
    )


LEARNS_TOO_FAST = (
    *("dataset.articles=6400", "dataset.noise=0.3", "model.dropout=0", "optimizer.lr=0.01"),
    *("protocol.batch_size=2", "protocol.epochs=2"),
    *("model.hidden_size=16", "model.embedding_dim=16"),
)


def test_a_best_epoch_that_is_the_first_is_named_with_the_key(
    rnn_bench: Command, recorded_runs: Runs
) -> None:
    answer = rnn_bench(*changed((*SMALL, *PLAIN), *LEARNS_TOO_FAST))
    (run,) = recorded_runs()
    assert run.data.tags["outcome"] == "finished"
    assert run.data.metrics["best_epoch"] == 1
    (line,) = advice(answer.out)
    assert line == (
        "Mind: The best epoch is the first one of 1 of 1 network runs that learned (gru on demo): "
        "it may learn too fast. Lower optimizer.lr."
    )


def test_numbers_of_rows_that_have_them_as_metrics_are_read(
    rnn_bench: Command, recorded_runs: Runs, workplace: Path
) -> None:
    rnn_bench(*SMALL, "protocol.max_length=11")
    client = MlflowClient(f"sqlite:///{workplace / 'mlflow.db'}")
    (row,) = recorded_runs()
    lines = advise([RecordedRun(row, client)])
    assert "tokens, and cut to that many." in lines[-1]
    numbers = [name for name in row.data.tags if re.match("trained_|learned_|truncated/", name)]
    for name in numbers:
        client.log_metric(row.info.run_id, name, float(row.data.tags[name]))
        client.delete_tag(row.info.run_id, name)
    old = RecordedRun(client.get_run(row.info.run_id), client)
    assert len(numbers) == 5
    assert [old.tag_number(name) for name in numbers] == [
        float(row.data.tags[name]) for name in numbers
    ]
    assert advise([old]) == lines
    client.set_tag(row.info.run_id, "trained_epochs", "damaged")
    assert math.isnan(
        RecordedRun(client.get_run(row.info.run_id), client).tag_number("trained_epochs")
    )


def test_a_best_value_at_the_edge_of_those_tried_is_named(
    rnn_bench: Command, recorded_runs: Runs
) -> None:
    answer = rnn_bench("-m", *SMALL, "optimizer.lr=1e-9,1e-8,0.01")
    losses = {
        float(run.data.params["optimizer.lr"]): run.data.metrics["val_loss"]
        for run in recorded_runs()
    }
    assert min(losses, key=lambda rate: losses[rate]) == 0.01, "the test needs a largest one"
    assert (
        "Mind: optimizer.lr=0.01 has the lowest validation loss for gru on demo, and is the "
        "largest of the values tried. Try larger ones."
    ) in advice(answer.out)


def test_nothing_smaller_than_0_is_proposed(rnn_bench: Command, recorded_runs: Runs) -> None:
    learns = ("dataset.articles=960", "optimizer.lr=0.01", "protocol.epochs=3")
    answer = rnn_bench("-m", *changed(SMALL, *learns), "model.dropout=0,0.95")
    losses = {
        run.data.params["model.dropout"]: run.data.metrics["val_loss"] for run in recorded_runs()
    }
    assert losses["0.0"] < losses["0.95"], "the test needs the smallest one to be the best"
    assert not [line for line in advice(answer.out) if "dropout" in line]


def test_articles_that_are_cut_are_counted_by_split(
    rnn_bench: Command, recorded_runs: Runs
) -> None:
    answer = rnn_bench("model=majority", *SMALL_CORPUS, "protocol.max_length=11")
    (run,) = recorded_runs()
    shares = [
        float(run.data.tags[f"truncated/{split}"]) for split in ("train", "validation", "test")
    ]
    train, validation, test = (f"{100 * share:.0f} %" for share in shares)
    assert min(shares) > 0.05
    (line,) = advice(answer.out)
    assert f"{train} of train, {validation} of validation, {test} of test are longer" in line
    assert line.endswith("Raise protocol.max_length.")
    assert advice(rnn_bench("model=majority", *SMALL_CORPUS).out) == []

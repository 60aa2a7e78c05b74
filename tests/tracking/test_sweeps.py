"""Reading runs and sweeps from the record."""

import logging
import math
import shlex
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from rnn_bench.config.errors import UsageError
from rnn_bench.config.tracking import Tracking
from rnn_bench.tracking import schema
from rnn_bench.tracking.recorded_run import RecordedRun, read_object
from rnn_bench.tracking.store import open_existing, open_store
from rnn_bench.tracking.sweeps import (
    latest_sweep,
    latest_sweep_on,
    note_sweep,
    read_sweep,
    recorded_sweeps,
    sweep_runs,
)
from rnn_bench.tracking.trials import note_search, search_facts
from tests.conftest import SMALL_CORPUS, Command

SWEEP = "20260102-030405-abcd"
TAGS = {
    schema.DATASET: "demo",
    schema.MODEL: "gru",
    schema.PROTOCOL: "fair",
    schema.SEED: "0",
    schema.RUN_KEY: "key",
    schema.CONFIG_KEY: "config",
    schema.SWEEP + SWEEP: schema.TRAINED,
}
Store = tuple[MlflowClient, str]
NewRun = Callable[..., RecordedRun]


@pytest.fixture
def store(workplace: Path) -> Store:
    return open_store(Tracking())


@pytest.fixture
def new_run(store: Store) -> NewRun:
    """Records a run whose tags differ from TAGS; a tag that is None is left out."""
    client, experiment_id = store

    def record(status: str = "FINISHED", **changed: str | None) -> RecordedRun:
        tags = {schema.OUTCOME: status.lower(), **TAGS, **changed}
        known = {name: value for name, value in tags.items() if value is not None}
        run_id = client.create_run(experiment_id, tags=known).info.run_id
        client.set_terminated(run_id, status)
        return RecordedRun(client.get_run(run_id), client)

    return record


def with_losses(
    run: RecordedRun, losses: list[float], best_epoch: int, weights: str
) -> RecordedRun:
    for epoch, loss in enumerate(losses, start=1):
        run.client.log_metric(run.id, schema.VAL_LOSS, loss, step=epoch)
    run.client.log_metric(run.id, schema.BEST_EPOCH, best_epoch)
    run.client.log_param(run.id, "protocol.evaluated_weights", weights)
    return RecordedRun(run.client.get_run(run.id), run.client)


# --- one run ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "kernel", "expected"),
    [
        (schema.BASELINE, "torch", True),
        (schema.NETWORK, "torch", False),
        (schema.NETWORK, "scikit-learn", False),
        (None, "scikit-learn", True),
        (None, "torch", False),
    ],
)
def test_its_kind_says_whether_a_model_is_a_baseline(
    kind: str | None, kernel: str, expected: bool, new_run: NewRun
) -> None:
    assert new_run(kind=kind, kernel=kernel, model="mine").is_baseline == expected


@pytest.mark.parametrize(("weights", "epoch", "loss"), [("best", 2, 0.3), ("last", 3, 0.5)])
def test_the_validation_loss_is_that_of_the_tested_weights(
    weights: str, epoch: int, loss: float, new_run: NewRun
) -> None:
    run = with_losses(new_run(), [0.7, 0.3, 0.5], best_epoch=2, weights=weights)
    assert (run.evaluated_epoch, run.evaluated_val_loss) == (epoch, loss)


def test_the_validation_loss_of_a_diverged_or_unfinished_run_is_not_a_number(
    new_run: NewRun,
) -> None:
    diverged = with_losses(new_run(outcome="diverged"), [math.nan], best_epoch=1, weights="best")
    assert diverged.is_completed
    assert math.isnan(diverged.evaluated_val_loss)
    unfinished = new_run("FAILED")
    assert unfinished.evaluated_epoch is None
    assert math.isnan(unfinished.evaluated_val_loss)


def test_an_artifact_that_is_not_there_has_no_path(store: Store, new_run: NewRun) -> None:
    run = new_run()
    store[0].log_text(run.id, "article,label\n", schema.PREDICTIONS_FILE)
    with run.local_artifact(schema.PREDICTIONS_FILE) as path:
        assert path is not None
        assert path.read_text() == "article,label\n"
    with run.local_artifact(schema.AUDIT_FILE) as path:
        assert path is None


# --- sweeps -------------------------------------------------------------------------------------


def test_a_run_that_failed_and_was_tried_again_is_left_out(store: Store, new_run: NewRun) -> None:
    new_run("FAILED")
    again = new_run()
    other = new_run("FAILED", run_key="another key")
    runs = sweep_runs(*store, SWEEP)
    assert [run.id for run in runs] == [again.id, other.id]
    assert [run.state for run in runs] == ["finished", "failed"]


@pytest.mark.parametrize("lacking", sorted(set(TAGS) - {schema.SWEEP + SWEEP}))
def test_a_row_that_lacks_a_tag_is_left_out_and_named(
    lacking: str, store: Store, new_run: NewRun, caplog: pytest.LogCaptureFixture
) -> None:
    run, damaged = new_run(), new_run(**{lacking: None})
    note_sweep(*store, SWEEP, ["-m"], 2)
    with caplog.at_level(logging.WARNING):
        assert [each.id for each in read_sweep(*store, SWEEP).runs] == [run.id]
    assert f"Run {damaged.id} is left out: its row lacks the tags {lacking}." in caplog.text
    assert recorded_sweeps(*store)[0].states == {"finished": 1}


def test_a_row_with_damaged_or_missing_inputs_has_no_split_sizes(new_run: NewRun) -> None:
    run = new_run()
    assert (run.fingerprint, run.split_sizes) == ("", {})


def test_sweeps_are_listed_newest_first_with_the_states_of_their_runs(
    store: Store, new_run: NewRun
) -> None:
    newer = "20260203-000000-0000"
    note_sweep(*store, SWEEP, ["-m", "model=gru"], 2)
    note_sweep(*store, newer, ["-m", "model=rnn"], 3)
    new_run()
    new_run("FAILED", run_key="other")
    first, second = recorded_sweeps(*store)
    assert (first.id, first.states, first.asked) == (newer, {}, 3)
    assert (second.id, second.states) == (SWEEP, {"finished": 1, "failed": 1})
    assert second.start == datetime(2026, 1, 2, 3, 4, 5)
    assert second.command == "python -m rnn_bench -m model=gru"
    assert latest_sweep(*store) == newer


@pytest.mark.parametrize(
    "text", ["not JSON", "[]", "null", '{"runs": "x", "command": 7, "primary_metric": [1]}']
)
def test_a_damaged_note_leaves_a_sweep_without_its_command(
    text: str, store: Store, new_run: NewRun
) -> None:
    client, experiment_id = store
    client.set_experiment_tag(experiment_id, schema.SWEEP + SWEEP, text)
    run = new_run()
    sweep = read_sweep(client, experiment_id, SWEEP)
    assert (sweep.command, sweep.asked) == ("", None)
    assert [each.id for each in sweep.completed] == [run.id]
    assert recorded_sweeps(client, experiment_id)[0].command == ""


def test_a_command_too_long_for_a_tag_is_an_artifact_of_the_runs(
    rnn_bench: Command, workplace: Path, reported: None
) -> None:
    name = "long" * 1500
    words = ("-m", "model=majority", "seed=0,1", f"dataset.name={name}", *SMALL_CORPUS)
    answer = rnn_bench(*words)
    assert answer.status == 0, answer.out + answer.err
    context = open_existing(None, "rnn-bench")
    (sweep,) = recorded_sweeps(*context)
    assert sweep.command == f"python -m rnn_bench {shlex.join(words)} hydra/launcher=basic"
    assert read_sweep(*context, sweep.id).command == sweep.command
    for page in ("index.html", "report.md"):
        assert sweep.command in (workplace / "reports" / sweep.id / page).read_text()
    run = sweep.runs[0]
    assert run.name.startswith("majority-longlong")
    assert (len(run.name), run.name[-3:]) == (250, "-s0")


def test_a_long_name_of_two_models_is_cut_to_two_names(
    rnn_bench: Command, recorded_runs: Callable[[], list[Run]]
) -> None:
    for name in ("long" * 150 + "a", "long" * 150 + "b"):
        assert rnn_bench("model=majority", f"model.name={name}", *SMALL_CORPUS).status == 0
    first, second = (run.info.run_name for run in recorded_runs())
    assert first != second
    assert max(len(first), len(second)) <= 250


def test_a_sweep_that_is_not_recorded_is_refused(store: Store) -> None:
    with pytest.raises(UsageError, match="The record has no sweep 2026"):
        read_sweep(*store, "2026")
    with pytest.raises(UsageError, match="no sweep in the record yet"):
        latest_sweep(*store)
    assert recorded_sweeps(*store) == []


def test_an_id_that_is_no_time_has_no_start(store: Store) -> None:
    note_sweep(*store, "mine", [], 1)
    (sweep,) = recorded_sweeps(*store)
    assert sweep.start is None


@pytest.mark.parametrize("name", ["it's", 'a "b"'])
def test_a_quotation_mark_in_a_name_reaches_mlflow_as_it_is(
    name: str, store: Store, new_run: NewRun
) -> None:
    new_run(dataset=name, sweep_id=SWEEP)
    assert latest_sweep_on(*store, name) == SWEEP
    with pytest.raises(UsageError, match="no sweep"):
        read_sweep(*store, name)


@pytest.mark.parametrize("text", [None, "", "not JSON", "[1]", '{"a": 1'])
def test_a_damaged_tag_is_read_as_an_empty_object(text: str | None) -> None:
    assert read_object(text) == {}


# --- a search -----------------------------------------------------------------------------------


def test_what_a_long_search_searches_takes_several_tags(store: Store) -> None:
    keys = [f"protocol.key_{number}" for number in range(20)]
    facts = {"models": {f"gru on corpus {number}: é": {"keys": keys} for number in range(18)}}
    note_search(*store, SWEEP, facts)
    note_search(*store, SWEEP + "2", {"models": {}})
    assert search_facts(*store, SWEEP) == facts
    assert search_facts(*store, SWEEP + "2") == {"models": {}}
    assert search_facts(*store, "another") == {}

"""Processes that want to train the same run."""

import os
import platform
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from rnn_bench.config.composition import Composer
from rnn_bench.config.errors import UsageError
from rnn_bench.data.encoding import encoded_corpus
from rnn_bench.tracking.claims import Busy, RunClaims
from rnn_bench.tracking.heartbeat import heartbeat
from rnn_bench.tracking.liveness import Owner, is_alive, owner_tags
from rnn_bench.tracking.rows import Duplicate, Withdrawn, new_row
from rnn_bench.tracking.store import open_store
from rnn_bench.training.checkpoint import Checkpoints
from tests.conftest import SMALL

Runs = Callable[[], list[Run]]


@pytest.fixture
def claims(workplace: Path) -> RunClaims:
    composer = Composer()
    job = composer.job(composer.compose([*SMALL, "sweep_id=test"]))
    context = open_store(job.config.tracking)
    return RunClaims(*context, "a-run", job.config, encoded_corpus(job.config))


def row(claims: RunClaims, **tags: str) -> str:
    context = (claims.client, claims.experiment_id, claims.name, claims.config, claims.corpus)
    return new_row(*context, tags)


def status(claims: RunClaims, run_id: str) -> str:
    return str(claims.client.get_run(run_id).info.status)


def never() -> None:
    raise AssertionError("there is nothing to wait for")


def minutes_ago(minutes: float) -> str:
    return f"{time.time() - 60 * minutes:.0f}"


GONE = f"{platform.node()} {2**22 + 1} 5.0"


@pytest.mark.parametrize(
    ("owner", "age", "alive"),
    [
        ("elsewhere 7 5.0", 4, True),
        ("elsewhere 7 5.0", 6, False),
        ("elsewhere 7 5.0", -4, True),
        ("elsewhere 7 5.0", -6, False),
        ("elsewhere 7 5.0", -60 * 24 * 365, False),
        (GONE, 0, False),
        (f"{platform.node()} {os.getppid()} {psutil.Process(os.getppid()).create_time()}", 0, True),
        (f"{platform.node()} {os.getppid()} 5.0", 0, False),
    ],
)
def test_a_run_is_left_alone_while_its_process_lives(
    owner: str, age: float, alive: bool, claims: RunClaims
) -> None:
    theirs = row(claims, owner=owner, heartbeat=minutes_ago(age))
    if alive:
        assert claims.state() == "running"
        with pytest.raises(Busy, match=owner.split()[0]):
            claims.claim(never, patient=False)
    else:
        assert claims.claim(never).run_id == theirs
        assert Owner.of(claims.client.get_run(theirs)) == claims.owner


def test_a_row_that_was_begun_and_not_filled_is_filled(claims: RunClaims) -> None:
    tags = {"run_key": claims.key, "owner": GONE, "sweep_id": "another"}
    left = claims.client.create_run(claims.experiment_id, tags=tags).info.run_id
    for _ in range(2):
        assert claims.claim(never).run_id == left
        run = claims.client.get_run(left)
        assert run.data.params["model.hidden_size"] == "8"
        assert run.data.tags["sweep_id"] == "test"
        (dataset,) = run.inputs.dataset_inputs
        assert dataset.dataset.name == "demo"


def test_a_dataset_that_two_runs_record_at_once_is_recorded(
    claims: RunClaims, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow fails for the slower of two, whose dataset then is there."""
    log_inputs, calls = MlflowClient.log_inputs, []

    def slower(client: MlflowClient, *arguments: Any) -> None:
        calls.append(arguments)
        if len(calls) == 1:
            raise MlflowException("UNIQUE constraint failed: datasets.name")
        log_inputs(client, *arguments)

    monkeypatch.setattr(MlflowClient, "log_inputs", slower)
    run = claims.client.get_run(claims.claim(never).run_id)
    assert [each.dataset.name for each in run.inputs.dataset_inputs] == ["demo"]


def test_a_row_that_mlflow_refuses_to_fill_ends_with_the_reason(claims: RunClaims) -> None:
    claims.corpus = replace(claims.corpus, classes=("a" * 2**24, "b"))
    with pytest.raises(MlflowException, match="profile"):
        claims.claim(never)
    (run,) = claims.rows()
    assert (run.info.status, run.data.tags["outcome"]) == ("FAILED", "failed")
    assert "'profile' exceeds the maximum length" in run.data.tags["error"]


def test_a_rerun_knows_the_rows_of_its_own_sweep_alone(claims: RunClaims) -> None:
    theirs = row(claims)
    claims.client.set_terminated(theirs, "FINISHED")
    assert claims.claim(never).answer is not None
    claims.config.rerun, claims.config.sweep_id = True, "another"
    assert claims.state() == "new"
    mine = claims.claim(never).run_id
    assert mine != theirs
    claims.client.set_terminated(mine, "FINISHED")
    answers = claims.claim(never).answer
    assert answers is not None
    assert answers.info.run_id == mine


@pytest.mark.parametrize("had_a_row", [True, False])
def test_the_end_of_a_process_is_in_one_row_however_often_it_is_tried(
    had_a_row: bool, claims: RunClaims
) -> None:
    left = row(claims, owner=GONE) if had_a_row else None
    assert claims.end("killed", "the sweep was stopped") == left
    ended = claims.end("failed", "SIGKILL")
    assert ended == (left or ended)
    assert claims.end("failed", "SIGSEGV") == ended
    (run,) = claims.rows()
    assert (run.info.status, run.data.tags["error"]) == ("FAILED", "SIGSEGV")
    assert claims.end("failed", "too late", ended) is None


def test_a_dead_run_without_its_checkpoint_is_failed_and_begun_anew(claims: RunClaims) -> None:
    theirs = row(claims, owner=GONE)
    claims.client.log_metric(theirs, "train_loss", 0.5, step=1)
    claim = claims.claim(never)
    assert claim.run_id != theirs
    assert status(claims, theirs) == "FAILED"
    assert "its process is gone" in claims.client.get_run(theirs).data.tags["error"]


@pytest.mark.parametrize("looks_again", ["claim", "confirm", "end", "state"])
def test_a_run_that_ends_while_its_row_is_read_is_no_dead_one(
    looks_again: str, claims: RunClaims, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process finishes the row and is gone just after another has read it as running."""
    reads = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    process = subprocess.Popen(reads, stdin=subprocess.PIPE)
    started = psutil.Process(process.pid).create_time()
    theirs = row(claims, **owner_tags(Owner(platform.node(), process.pid, started)))
    claims.client.log_metric(theirs, "train_loss", 0.5, step=1)
    mine = row(claims, **owner_tags(claims.owner)) if looks_again == "confirm" else None
    search_runs = MlflowClient.search_runs

    def slow(*arguments: Any, **more: Any) -> Any:
        found = search_runs(*arguments, **more)
        if process.poll() is None:
            claims.client.set_terminated(theirs, "FINISHED")
            process.communicate()
        return found

    monkeypatch.setattr(MlflowClient, "search_runs", slow)
    if looks_again == "claim":
        answer = claims.claim(never).answer
        assert answer is not None
        assert answer.info.run_id == theirs
    elif mine:
        with pytest.raises(Duplicate, match=f"run {theirs} is older"):
            claims.confirm(mine)
    elif looks_again == "end":
        assert claims.end("killed", "the sweep was stopped") is None
    else:
        assert claims.state() == "reused"
    assert process.poll() is not None
    assert status(claims, theirs) == "FINISHED"


def test_of_several_left_runs_the_one_with_the_most_epochs_goes_on(claims: RunClaims) -> None:
    rows = [row(claims, owner=GONE) for _ in range(3)]
    for run_id, epoch in zip(rows, (2, 7, 3), strict=True):
        folder = Path("outputs/runs") / run_id
        folder.mkdir(parents=True)
        Checkpoints(folder).save(epoch, {})
    assert claims.state() == "to resume"
    claim = claims.claim(never)
    assert claim.run_id == rows[1]
    assert [status(claims, each) for each in rows] == ["FAILED", "RUNNING", "FAILED"]


def test_the_younger_of_two_live_runs_withdraws_and_its_row_goes(claims: RunClaims) -> None:
    theirs = row(claims, **owner_tags(Owner("elsewhere", 7, 5.0)))
    mine = row(claims, **owner_tags(claims.owner))
    with pytest.raises(Duplicate, match=f"run {theirs} is older"):
        claims.confirm(mine)
    assert [run.info.run_id for run in claims.rows()] == [theirs]


def test_a_run_that_was_taken_over_is_not_gone_on_with(claims: RunClaims) -> None:
    mine = claims.claim(never).run_id
    claims.confirm(mine)
    claims.client.set_tag(mine, "owner", "elsewhere 7 5.0")
    with pytest.raises(Withdrawn, match="is taken over by elsewhere"):
        claims.confirm(mine)
    assert status(claims, mine) == "RUNNING"


def test_a_heartbeat_shows_life_and_notices_a_takeover(
    claims: RunClaims, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rnn_bench.tracking.heartbeat.HEARTBEAT_SECONDS", 0.05)
    mine = claims.claim(never).run_id
    claims.client.set_tag(mine, "heartbeat", minutes_ago(3))
    with heartbeat(claims, mine) as check:
        wait_until(lambda: claims.client.get_run(mine).data.tags["heartbeat"] > minutes_ago(1))
        check()
        claims.client.set_tag(mine, "owner", "elsewhere 7 5.0")
        with pytest.raises(Withdrawn):
            wait_until(lambda: check())


def wait_until(what: Callable[[], bool | None]) -> None:
    deadline = time.monotonic() + 30
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("beat", ["inf", "nan", "1e300"])
def test_a_heartbeat_that_is_no_time_holds_no_run(claims: RunClaims, beat: str) -> None:
    theirs = row(claims, owner="elsewhere 7 5.0", heartbeat=beat)
    assert claims.claim(never).run_id == theirs


@pytest.mark.parametrize("damaged", [{"owner": "host x 1"}, {"heartbeat": "soon"}])
def test_a_damaged_tag_is_no_sign_of_a_process(damaged: dict[str, str], claims: RunClaims) -> None:
    tags = {**owner_tags(Owner("elsewhere", 7, 5.0)), **damaged}
    run = claims.client.get_run(row(claims, **tags))
    assert (Owner.of(run) is None) == ("owner" in damaged)
    assert is_alive(run)  # it began less than five minutes ago


@pytest.mark.parametrize("path", ["../../precious", "..", "a/b"])
def test_a_store_chooses_no_folder_by_a_run_s_id(claims: RunClaims, path: str) -> None:
    precious = Path("precious")
    precious.mkdir()
    (precious / "diary.txt").write_text("dear diary")
    row(claims, **{"owner": GONE})
    with sqlite3.connect("mlflow.db") as database:
        for table in ("runs", "tags", "params"):
            database.execute(f"UPDATE {table} SET run_uuid = ?", [path])
        database.execute("UPDATE inputs SET destination_id = ?", [path])
    database.close()
    with pytest.raises(UsageError, match="no id of a run") as refused:
        claims.claim(never)
    assert repr(path) in str(refused.value)
    assert not Path(claims.config.output_dir, "runs").exists()
    assert [each.name for each in precious.iterdir()] == ["diary.txt"]

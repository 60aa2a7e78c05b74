"""A tracking server that goes away and comes back while runs train."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from rnn_bench.config.errors import UsageError
from rnn_bench.config.tracking import Tracking
from rnn_bench.tracking.__main__ import main as sync
from rnn_bench.tracking.availability import retry_until_reachable
from rnn_bench.tracking.outbox import Message, Outbox
from rnn_bench.tracking.store import open_store
from tests.conftest import SMALL, SMALL_CORPUS, Command, changed, unable_to_write

Runs = Callable[[], list[Run]]


def test_the_next_sweep_records_what_an_earlier_one_could_not(
    workplace: Path, recorded_runs: Runs, rnn_bench: Command
) -> None:
    assert rnn_bench(*SMALL).status == 0
    (run,) = recorded_runs()
    client, _ = open_store_here()
    client.update_run(run.info.run_id, status="RUNNING")
    outbox = Outbox(client, run.info.run_id, workplace / "outputs/runs" / run.info.run_id)
    outbox.waiting.append(Message(tags={"mood": "good"}, status="FINISHED"))
    outbox._keep()
    answer = rnn_bench(*SMALL)
    assert answer.status == 0
    assert "reused" in answer.out
    (run,) = recorded_runs()
    assert (run.info.status, run.data.tags["mood"]) == ("FINISHED", "good")


def test_what_mlflow_refuses_is_an_error(workplace: Path) -> None:
    client, _ = open_store_here()
    with pytest.raises(Exception, match="not found"):
        Outbox(client, "0" * 32, workplace).send(Message(tags={"a": "b"}))
    assert not (workplace / "unsent.jsonl").exists()


def test_no_run_waits_for_ever_and_none_for_a_store_that_is_wrong(
    monkeypatch: pytest.MonkeyPatch, unused_port: int
) -> None:
    def never() -> None:
        raise AssertionError("it waits")

    for uri in ("nonsense://x", "sqlite:////proc/nowhere/mlflow.db"):
        with pytest.raises(UsageError, match=f"{uri} cannot be used"):
            retry_until_reachable(lambda uri=uri: open_store(Tracking(uri=uri)), never)
    monkeypatch.setattr("rnn_bench.tracking.availability.PATIENCE_SECONDS", -1)
    uri = f"http://127.0.0.1:{unused_port}"
    with pytest.raises(UsageError, match=f"{uri} cannot be used"):
        retry_until_reachable(lambda: open_store(Tracking(uri=uri)), never)


def open_store_here() -> tuple[MlflowClient, str]:
    return open_store(Tracking())


def test_a_damaged_message_is_named_and_the_others_are_sent(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    client, experiment = open_store_here()
    for name in ("a", "b"):
        folder = workplace / "outputs" / "runs" / name
        folder.mkdir(parents=True)
        run_id = client.create_run(experiment).info.run_id
        outbox = Outbox(client, run_id, folder)
        outbox.waiting.append(Message(status="FINISHED"))
        outbox._keep()
    (workplace / "outputs/runs/a/unsent.jsonl").write_text("torn")
    capsys.readouterr()
    assert sync(["sync"]) == 1
    said = capsys.readouterr()
    assert "Recorded 1 of 2 waiting runs." in said.out
    assert "runs/a: " in said.err


def test_sync_without_a_folder_says_so(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sync(["sync", "nowhere"]) == 2
    assert capsys.readouterr().err == "There is no folder nowhere.\n"


def test_a_full_disk_ends_a_run_with_its_reason_and_leaves_earlier_ones(
    small_disk: Path, rnn_bench: Command, recorded_runs: Runs
) -> None:
    output = f"output_dir={small_disk}"
    assert rnn_bench("model=majority", *SMALL_CORPUS, output).status == 0
    answer = rnn_bench(*changed(SMALL, "model.hidden_size=128"), output)
    assert answer.status == 2
    assert "cannot take a checkpoint: No space left on device" in answer.err
    assert "Traceback" not in answer.out + answer.err
    assert [run.info.status for run in recorded_runs()] == ["FINISHED", "FAILED"]


def test_an_output_folder_behind_a_file_is_refused_at_once(
    workplace: Path, rnn_bench: Command, recorded_runs: Runs
) -> None:
    (workplace / "out").write_text("")
    answer = rnn_bench(*SMALL, "output_dir=out")
    assert answer.status == 2
    assert answer.err.startswith("output_dir=out cannot be written: ")
    assert recorded_runs() == []


def test_a_read_only_output_folder_is_refused_at_once(workplace: Path, recorded_runs: Runs) -> None:
    folder = workplace / "out"
    folder.mkdir()
    command = [*unable_to_write(folder), sys.executable, "-m", "rnn_bench", "-m", *SMALL]
    done = subprocess.run([*command, "output_dir=out"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "output_dir=out cannot be written: Permission denied. Choose another with output_dir=...\n"
    )
    assert recorded_runs() == []

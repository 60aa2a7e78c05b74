"""A run that is killed or interrupted, or loses its tracking server."""

import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from rnn_bench.config.tracking import Tracking
from rnn_bench.tracking import schema
from rnn_bench.tracking.__main__ import main as sync
from rnn_bench.tracking.availability import retry_until_reachable
from rnn_bench.tracking.outbox import Message, Outbox
from rnn_bench.tracking.store import open_store
from tests.conftest import Command
from tests.survival.long_run import (
    LONG,
    history,
    kill_after_some_epochs,
    predictions,
    started,
    wait_for,
)
from tests.tracking.server import Server

Runs = Callable[[], list[Run]]


@pytest.fixture
def server(workplace: Path) -> Iterator[Server]:
    server = Server(workplace)
    yield server
    server.stop()


def test_a_killed_run_goes_on_from_its_newest_sound_checkpoint_to_the_same_result(
    workplace: Path, rnn_bench: Command, recorded_runs: Runs
) -> None:
    kill_after_some_epochs(workplace, recorded_runs, *LONG)
    (left,) = recorded_runs()
    assert left.info.status == "RUNNING"
    newest = sorted((workplace / "outputs/runs" / left.info.run_id).glob("*.pt"))[-1]
    newest.write_bytes(newest.read_bytes()[:1000])

    answer = rnn_bench(*LONG)
    assert answer.status == 0
    assert f"{newest.name} is damaged" in answer.out
    assert "goes on after epoch" in answer.out
    (run,) = recorded_runs()
    assert (run.info.run_id, run.info.status) == (left.info.run_id, "FINISHED")
    sweeps = [value for name, value in run.data.tags.items() if name.startswith("sweep.")]
    assert sorted(sweeps) == ["resumed", "trained"]
    assert not [*(workplace / "outputs/runs" / run.info.run_id).glob("*.pt")]

    rnn_bench(*LONG, "rerun=true")
    undisturbed = recorded_runs()[-1]
    for metric in ("train_loss", "val_loss", "val_accuracy", "test_accuracy", "test_loss"):
        expected = history(workplace, undisturbed, metric)
        assert history(workplace, run, metric) == expected, metric
    assert len(history(workplace, run, "train_loss")) == 40
    assert predictions(run).equals(predictions(undisturbed))


def test_a_run_that_was_interrupted_goes_on_in_the_same_row(
    workplace: Path, rnn_bench: Command, recorded_runs: Runs
) -> None:
    process = started(*LONG)
    wait_for(lambda: any("val_loss" in run.data.metrics for run in recorded_runs()), process)
    for _ in range(3):
        process.send_signal(signal.SIGINT)
        time.sleep(0.02)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert re.search(r"^Stopped: gru-demo\S+ goes on from its last finished epoch\.$", out, re.M)
    assert out.endswith("Interrupted. The same command goes on from here.\n")
    assert "Traceback" not in out
    (left,) = recorded_runs()
    assert (left.info.status, left.data.tags["outcome"]) == ("KILLED", "killed")
    assert rnn_bench(*LONG).status == 0
    (run,) = recorded_runs()
    assert run.info.run_id == left.info.run_id
    assert run.data.tags["outcome"] in schema.ANSWERS
    assert "error" not in run.data.tags


def test_training_goes_on_without_the_server_and_is_recorded_when_it_is_back(
    server: Server,
    workplace: Path,
    recorded_runs: Runs,
    rnn_bench: Command,
    capsys: pytest.CaptureFixture[str],
) -> None:

    def stop_in_the_middle() -> None:
        while not any("val_loss" in run.data.metrics for run in recorded_runs()):
            time.sleep(0.05)
        server.stop()

    stopping = Thread(target=stop_in_the_middle)
    stopping.start()
    answer = rnn_bench(f"tracking.uri={server.uri}", *LONG)
    stopping.join()
    assert answer.status == 1
    assert "MLflow cannot be reached. What is to be recorded waits in" in answer.out
    assert ", test accuracy" in answer.out
    assert "python -m rnn_bench.tracking sync" in answer.out
    assert "Traceback" not in answer.out
    (run,) = recorded_runs()
    assert run.info.status == "RUNNING"
    assert sync(["sync"]) == 1
    assert "Recorded 0 of 1 waiting runs." in capsys.readouterr().out

    server.start()
    assert sync(["sync"]) == 0
    assert capsys.readouterr().out == "Recorded 1 of 1 waiting runs.\n"
    assert sync(["sync"]) == 0
    assert capsys.readouterr().out == "Nothing waits.\n"
    (run,) = recorded_runs()
    assert run.info.status == "FINISHED"
    assert run.data.tags["outcome"] in schema.ANSWERS
    assert "test_accuracy" in run.data.metrics
    assert [step for step, _ in history(workplace, run, "train_loss")] == [*range(1, 41)]
    served = {path.name for path in (workplace / "served").rglob("*") if path.is_file()}
    assert {"weights.safetensors", "test_predictions.csv", "log.txt"} <= served
    left = [path.name for path in (workplace / "outputs/runs" / run.info.run_id).iterdir()]
    assert left == ["log.txt"]


def test_what_waits_is_sent_once_the_server_is_back(
    server: Server,
    workplace: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    monkeypatch.setattr("rnn_bench.tracking.outbox.RETRY_SECONDS", 0)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    client = MlflowClient(server.uri)
    run_id = client.create_run("0").info.run_id
    outbox = Outbox(client, run_id, workplace)
    outbox.send(Message([("loss", 3.0, 1000, 1)]))
    server.stop()
    for step in (2, 3):
        outbox.send(Message([("loss", 4.0 - step, 1000 * step, step)]))
    assert (workplace / "unsent.jsonl").is_file()
    retry_until_reachable(lambda: open_store(Tracking(uri=server.uri)), server.start)
    assert (
        f"MLflow cannot be reached; it is waited for. The MLflow store {server.uri}" in caplog.text
    )
    outbox.send(Message([("loss", 0.5, 4000, 4)], {"mood": "good"}, status="FINISHED"))
    outbox.send(Message([("loss", 0.5, 4000, 4)]))
    assert not (workplace / "unsent.jsonl").exists()
    found = [(each.step, each.value) for each in client.get_metric_history(run_id, "loss")]
    assert found == [(1, 3.0), (2, 2.0), (3, 1.0), (4, 0.5)]
    run = client.get_run(run_id)
    assert (run.data.tags["mood"], run.info.status) == ("good", "FINISHED")

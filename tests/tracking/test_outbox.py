"""A tracking server that goes away and comes back while runs train."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from rnn_bench.config.options import UsageError
from rnn_bench.config.schemas import Tracking
from rnn_bench.tracking.__main__ import main as sync
from rnn_bench.tracking.outbox import Message, Outbox, patiently
from rnn_bench.tracking.store import open_store
from tests.conftest import SMALL, SMALL_CORPUS, Command, unable_to_write
from tests.tracking.server import Server
from tests.tracking.test_ledger import LONG, history

Runs = Callable[[], list[Run]]


@pytest.fixture
def server(workplace: Path) -> Iterator[Server]:
    server = Server(workplace)
    yield server
    server.stop()


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
    assert "finished, test accuracy" in answer.out
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
    assert (run.info.status, run.data.tags["outcome"]) == ("FINISHED", "finished")
    assert "test_accuracy" in run.data.metrics
    assert [step for step, _ in history(workplace, run, "train_loss")] == [*range(1, 41)]
    served = {path.name for path in (workplace / "served").rglob("*") if path.is_file()}
    assert {"weights.safetensors", "test_predictions.csv", "log.txt"} <= served
    left = [path.name for path in (workplace / "outputs/runs" / run.info.run_id).iterdir()]
    assert left == ["log.txt"]


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
    patiently(lambda: open_store(Tracking(uri=server.uri)), server.start)
    assert "MLflow cannot be reached; it is waited for." in caplog.messages
    outbox.send(Message([("loss", 0.5, 4000, 4)], {"mood": "good"}, status="FINISHED"))
    outbox.send(Message([("loss", 0.5, 4000, 4)]))
    assert not (workplace / "unsent.jsonl").exists()
    found = [(each.step, each.value) for each in client.get_metric_history(run_id, "loss")]
    assert found == [(1, 3.0), (2, 2.0), (3, 1.0), (4, 0.5)]
    run = client.get_run(run_id)
    assert (run.data.tags["mood"], run.info.status) == ("good", "FINISHED")


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
            patiently(lambda uri=uri: open_store(Tracking(uri=uri)), never)
    monkeypatch.setattr("rnn_bench.tracking.outbox.PATIENCE_SECONDS", -1)
    uri = f"http://127.0.0.1:{unused_port}"
    with pytest.raises(UsageError, match=f"{uri} cannot be used"):
        patiently(lambda: open_store(Tracking(uri=uri)), never)


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


@pytest.fixture
def small_disk(workplace: Path) -> Iterator[Path]:
    """A file system of 300 kB."""
    folder = workplace / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small file system cannot be mounted here; it needs root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_ends_a_run_with_its_reason_and_leaves_earlier_ones(
    small_disk: Path, rnn_bench: Command, recorded_runs: Runs
) -> None:
    output = f"output_dir={small_disk}"
    assert rnn_bench("model=majority", *SMALL_CORPUS, output).status == 0
    answer = rnn_bench(*SMALL, "model.hidden_size=128", output)
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

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import repeat
from pathlib import Path

import pytest
from mlflow.entities import Run

from rnn_bench.command_line import main
from rnn_bench.config.errors import UsageError
from rnn_bench.config.tracking import Tracking
from rnn_bench.tracking.store import open_existing, open_store, store_uri
from tests.conftest import SMALL_CORPUS, Command, unable_to_write


def test_the_command_line_wins_over_the_environment(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert store_uri(Tracking()) == f"sqlite:///{workplace / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert store_uri(Tracking()) == "http://127.0.0.1:9"
    assert store_uri(Tracking(uri="sqlite:////a/b.db")) == "sqlite:////a/b.db"


def test_readers_do_not_block_writers(workplace: Path) -> None:
    open_store(Tracking())
    with sqlite3.connect(workplace / "mlflow.db") as database:
        (mode,) = database.execute("PRAGMA journal_mode").fetchone()
    database.close()
    assert mode == "wal"


def test_artifacts_lie_beside_the_store(workplace: Path) -> None:
    client, experiment = open_store(Tracking(uri=f"sqlite:///{workplace / 'deep' / 'my.db'}"))
    location = client.get_experiment(experiment).artifact_location
    assert location == (workplace / "deep" / "mlruns" / "rnn-bench").as_uri()


def test_a_deleted_experiment_is_not_written_to(workplace: Path) -> None:
    client, experiment = open_store(Tracking())
    client.delete_experiment(experiment)
    with pytest.raises(UsageError, match=f"is deleted.*restore -x {experiment}"):
        open_store(Tracking())


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that may not wait for anything."""

    def never(seconds: float) -> None:
        raise AssertionError("it waits")

    monkeypatch.setattr("time.sleep", never)


@pytest.mark.parametrize(
    "uri",
    [
        "nonsense://x",
        "sqlite:////proc/nowhere/mlflow.db",
        "sqlite:////proc/x.db",
        "postgresql://127.0.0.1:9/x",
        "postgresql+nothing://127.0.0.1:9/x",
    ],
)
def test_a_store_that_cannot_be_used_is_named_at_once(uri: str, impatient: None) -> None:
    with pytest.raises(UsageError) as refused:
        open_store(Tracking(uri=uri))
    assert str(refused.value).startswith(f"The MLflow store {uri} cannot be used: ")
    assert "tracking.uri=" in str(refused.value)


def test_a_folder_in_the_place_of_the_store_is_named_at_once(
    workplace: Path, impatient: None, rnn_bench: Command
) -> None:
    (workplace / "mlflow.db").unlink()
    (workplace / "mlflow.db").mkdir()
    answer = rnn_bench("model=majority", *SMALL_CORPUS)
    assert (answer.status, answer.out) == (2, "")
    assert answer.err == (
        f"The MLflow store sqlite:///{workplace / 'mlflow.db'} cannot be used: Is a directory. "
        "Mend that, or choose another store (tracking.uri=... or --tracking-uri).\n"
    )


def test_a_store_that_may_not_be_written_is_named_at_once(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = workplace / "theirs"
    folder.mkdir()
    (workplace / "mlflow.db").rename(folder / "mlflow.db")
    (folder / "mlflow.db").chmod(0o444)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
    command = [*unable_to_write(folder), sys.executable, "-m", "rnn_bench", "model=majority"]
    done = subprocess.run([*command, *SMALL_CORPUS], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout) == (2, "")
    assert "cannot be used: Permission denied. " in done.stderr


def test_a_new_store_on_a_full_disk_is_named_at_once(
    small_disk: Path, impatient: None, rnn_bench: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{small_disk / 'mlflow.db'}")
    answer = rnn_bench("model=majority", *SMALL_CORPUS)
    assert (answer.status, answer.out) == (2, "")
    assert "mlflow.db cannot be used: No space left on device. " in answer.err


@pytest.mark.parametrize("small_disk", ["4m"], indirect=True)
def test_a_store_whose_disk_is_full_is_named_at_once_and_can_still_be_read(
    workplace: Path, small_disk: Path, rnn_bench: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(workplace / "mlflow.db", small_disk)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{small_disk / 'mlflow.db'}")
    assert rnn_bench("-m", "model=majority", *SMALL_CORPUS).status == 0
    with pytest.raises(OSError, match="No space"), (small_disk / "rest").open("wb", 0) as rest:
        rest.writelines(repeat(bytes(4096), 1024))
    answer = rnn_bench("-m", "model=rnn", *SMALL_CORPUS)
    assert (answer.status, answer.out) == (2, "")
    assert "mlflow.db cannot be used: No space left on device. " in answer.err
    client, experiment = open_existing(None, "rnn-bench")
    assert len(client.search_runs([experiment])) == 1


WRITE = """
from mlflow import MlflowClient
print(MlflowClient("sqlite:///mlflow.db").create_run("1").info.run_id)
"""


def test_a_store_that_is_opened_twice_is_seen_as_other_processes_write_it(workplace: Path) -> None:
    client, experiment = open_store(Tracking())
    for _ in range(2):
        open_store(Tracking())
        command = [sys.executable, "-c", WRITE]
        written = subprocess.run(command, capture_output=True, text=True, check=True)
        client.set_tag(written.stdout.strip(), "seen", "yes")
        found = {run.info.run_id for run in client.search_runs([experiment])}
        assert written.stdout.strip() in found


def test_a_file_that_is_no_store_is_named_at_once(workplace: Path, impatient: None) -> None:
    (workplace / "text.db").write_text("this is no database" * 100)
    with pytest.raises(UsageError, match=r"text\.db cannot be used"):
        open_store(Tracking(uri=f"sqlite:///{workplace / 'text.db'}"))


def test_a_server_that_does_not_answer_is_named_within_seconds(unused_port: int) -> None:
    uri = f"http://127.0.0.1:{unused_port}"
    start = time.monotonic()
    with pytest.raises(UsageError, match=f"The MLflow store {uri} cannot be used: .+"):
        open_store(Tracking(uri=uri))
    assert time.monotonic() - start < 60, "MLflow's own patience is minutes"
    assert "MLFLOW_HTTP_REQUEST_MAX_RETRIES" not in os.environ


@pytest.mark.parametrize(
    ("damage", "words", "says"),
    [
        ("DROP TABLE runs", ["list"], "no such table: runs"),
        ("DROP TABLE runs", ["report", "--sweep", "x"], "no such table: runs"),
        # The package that reaches such a server is not installed.
        ("UPDATE runs SET artifact_uri = 'sftp://127.0.0.1:9/x'", ["predict"], "paramiko"),
        ("UPDATE runs SET artifact_uri = 'sftp://127.0.0.1:9/x'", ["copy"], "paramiko"),
    ],
)
def test_a_store_that_fails_after_it_was_opened_is_named(
    damage: str,
    words: list[str],
    says: str,
    workplace: Path,
    rnn_bench: Command,
    recorded_runs: Callable[[], list[Run]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert rnn_bench("model=majority", *SMALL_CORPUS).status == 0
    (run,) = recorded_runs()
    with sqlite3.connect("mlflow.db") as database:
        database.execute(damage)
    database.close()
    capsys.readouterr()
    if words[0] == "predict":
        words = ["predict", run.info.run_id, "x"]
    if words[0] == "copy":
        words = ["copy", "--from", "sqlite:///mlflow.db", "--to", "sqlite:///b.db"]
    assert main(words) == 2
    err = capsys.readouterr().err
    assert "mlflow.db" in err
    assert says in err
    assert len(err.splitlines()) <= 6

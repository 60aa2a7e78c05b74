"""A tracking server that names folders of this machine gets nothing from them and writes nothing
there."""

import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from rnn_bench.command_line import main
from tests.conftest import SMALL_CORPUS, Command
from tests.tracking.server import Server

VARIABLE = "RNN_BENCH_SERVER_FILES"
SERVED = ("model=majority", *SMALL_CORPUS)


@pytest.fixture
def secret(workplace: Path) -> Path:
    """A folder that no server has to know."""
    folder = workplace / "secret"
    folder.mkdir()
    (folder / "diary.txt").write_text("dear diary")
    return folder


@pytest.fixture
def server(
    workplace: Path, secret: Path, rnn_bench: Command, recorded_runs: Callable[[], list[Run]]
) -> Iterator[Server]:
    """A server with a run, which says that its artifacts, and those of new ones, lie in the secret
    folder."""
    assert rnn_bench(*SERVED).status == 0
    (run,) = recorded_runs()
    client = MlflowClient(f"sqlite:///{workplace / 'mlflow.db'}")
    client.create_registered_model("m")
    client.create_model_version("m", f"{run.info.artifact_uri}/model", run.info.run_id)
    with sqlite3.connect("mlflow.db") as database:
        database.execute("UPDATE runs SET artifact_uri = ?", [secret.as_uri()])
        database.execute("UPDATE experiments SET artifact_location = ?", [secret.as_uri()])
    database.close()
    server = Server(workplace)
    yield server
    server.stop()


def refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(words) == 2, words
    told = capsys.readouterr().err
    assert VARIABLE in told
    assert "secret" in told or "mlruns" in told
    assert len(told.splitlines()) <= 6
    assert "Traceback" not in told


def test_no_command_reads_or_writes_the_folder_that_a_server_names(
    server: Server,
    secret: Path,
    workplace: Path,
    new_store: Path,
    rnn_bench: Command,
    recorded_runs: Callable[[], list[Run]],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (run,) = recorded_runs()
    before = {path: path.stat().st_mtime_ns for path in (secret, *secret.iterdir())}
    shutil.copy(new_store, "other.db")
    other = f"sqlite:///{workplace / 'other.db'}"
    at_server = ["--tracking-uri", server.uri]
    commands = [
        ["copy", "--from", server.uri, "--to", other],
        ["copy", "--from", other, "--to", server.uri],
        ["report", *at_server],
        ["list", *at_server],
        ["register", "m", *at_server],
        ["predict", run.info.run_id, "hello", *at_server],
        ["predict", f"runs:/{run.info.run_id}/model", "hello", *at_server],
        ["predict", "models:/m/1", "hello", *at_server],
    ]
    MlflowClient(other).create_experiment("rnn-bench")
    for words in commands:
        refused(words, capsys)
    swept = rnn_bench("-m", *SERVED, "seed=7", f"tracking.uri={server.uri}")
    assert swept.status == 2
    assert VARIABLE in swept.err
    # The experiment's root is innocent, and the run's is not.
    with sqlite3.connect("mlflow.db") as database:
        database.execute("UPDATE experiments SET artifact_location = 'mlflow-artifacts:/1'")
    database.close()
    for words in (*commands[:1], *commands[2:3], *commands[5:]):
        if words[0] == "report":
            words = [*words, "--sweep", run.data.tags["sweep_id"]]
        refused(words, capsys)
    assert before == {path: path.stat().st_mtime_ns for path in (secret, *secret.iterdir())}
    copies = MlflowClient(other).search_runs(["1"])
    assert not [run for run in copies if MlflowClient(other).list_artifacts(run.info.run_id)]

    monkeypatch.setenv(VARIABLE, "1")
    assert main(["copy", "--from", server.uri, "--to", other]) == 0
    (copy,) = MlflowClient(other).search_runs(["1"])
    (item,) = MlflowClient(other).list_artifacts(copy.info.run_id)
    assert item.path == "diary.txt"


def test_a_server_that_keeps_its_artifacts_itself_is_used_as_ever(
    workplace: Path, rnn_bench: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    server = Server(workplace)
    try:
        answer = rnn_bench(*SERVED, f"tracking.uri={server.uri}")
        assert (answer.status, answer.err) == (0, "")
        (run_id,) = re.findall(r"run (\w{32})", answer.out)
        assert main(["predict", run_id, "hello", "--tracking-uri", server.uri]) == 0
        store = f"sqlite:///{workplace / 'other.db'}"
        assert main(["copy", "--from", server.uri, "--to", store]) == 0
        assert "1 runs copied" in capsys.readouterr().out
    finally:
        server.stop()

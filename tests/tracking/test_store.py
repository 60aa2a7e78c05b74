import os
import sqlite3
import time
from pathlib import Path

import pytest

from rnn_bench.config.errors import UsageError
from rnn_bench.config.tracking import Tracking
from rnn_bench.tracking.store import open_store, store_uri


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


@pytest.mark.parametrize("uri", ["nonsense://x", "sqlite:////proc/nowhere/mlflow.db"])
def test_a_store_that_cannot_be_used_is_named(uri: str) -> None:
    with pytest.raises(UsageError, match=f"The MLflow store {uri} cannot be used: .+"):
        open_store(Tracking(uri=uri))


def test_a_file_that_is_no_store_is_named(workplace: Path) -> None:
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

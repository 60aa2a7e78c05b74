"""A tracking server that knows the experiment, and then refuses or drops what else it is asked."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from rnn_bench.command_line import main
from tests.conftest import SMALL_CORPUS

EXPERIMENT = {
    "experiment_id": "7",
    "name": "rnn-bench",
    "artifact_location": "mlflow-artifacts:/7",
    "lifecycle_stage": "active",
}
SWEEP = ["sweep", "model=majority", *SMALL_CORPUS]
COMMANDS = [SWEEP, [*SWEEP, "plan=true"], ["list"], ["report", "--sweep", "x"]]


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server: Any = self.server
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        known = "/experiments/get" in self.path
        server.asked += not known
        status = 200 if known else server.status
        if status is None:
            self.close_connection = True
            return
        other = "{}" if status == 200 else "<html>no</html>"
        body = json.dumps({"experiment": EXPERIMENT}) if known else other
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    do_POST = do_PATCH = do_GET  # noqa: N815

    def log_message(self, *of: object) -> None:
        pass


@pytest.fixture
def server(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A server that gives everything but the experiment its `status`, or no answer if that is
    None, and counts how often it was `asked`."""
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.asked = 0
    threading.Thread(target=server.serve_forever).start()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server.server_port}")
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("status", [403, 404, None])
def test_a_server_that_refuses_after_it_was_opened_is_named_and_not_asked_again_and_again(
    status: int | None, words: list[str], server: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    server.status = status
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert f"In the MLflow store http://127.0.0.1:{server.server_port}: " in err
    assert "Traceback" not in err
    assert len(err.splitlines()) <= 6
    assert server.asked <= 2


def test_a_server_that_keeps_nothing_is_named_and_no_run_claims_without_end(
    server: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    server.status = 200
    assert main(SWEEP) == 2
    err = capsys.readouterr().err
    assert "does not keep the rows that are made in it: run  is deleted, 10 times" in err
    assert len(err.splitlines()) <= 6

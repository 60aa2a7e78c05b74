"""MLflow's own server and command take a run's model as it is."""

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from signal import SIGKILL

import requests

from tests.serving.conftest import CSV, TINY, Trained, model_of
from tests.test_mlflow_page import PATIENCE, environment

SWEEPS = (("model=gru", *CSV, *TINY),)
MODELS = (sys.executable, "-m", "mlflow", "models")


def test_mlflow_models_serve_answers_a_request(trained: Trained, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    model = ["--model-uri", str(model_of(trained.runs[0])), "--env-manager", "local"]
    where = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    log = tmp_path / "serve.txt"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with log.open("w") as output:
        server = subprocess.Popen(
            [*MODELS, "serve", *model, *where],
            env={**environment(), "PATH": path, "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + PATIENCE
        answer = None
        while answer is None:
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
            with suppress(requests.ConnectionError):
                address = f"http://127.0.0.1:{port}/invocations"
                answer = requests.post(address, json={"inputs": ["wet sky"]}, timeout=PATIENCE)
        assert answer.status_code == 200, answer.text
        (row,) = answer.json()["predictions"]
        assert row.keys() == {"label", "p_fair", "p_foul"}
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, SIGKILL)
        server.wait()


def test_mlflow_models_predict_answers_a_file(trained: Trained, tmp_path: Path) -> None:
    asked, answered = tmp_path / "asked.json", tmp_path / "answered.json"
    asked.write_text(json.dumps({"inputs": ["wet sky"]}))
    files = ["-m", str(model_of(trained.runs[0])), "-i", str(asked), "-o", str(answered)]
    subprocess.run(
        [*MODELS, "predict", "--env-manager", "local", *files],
        check=True,
        capture_output=True,
        env=environment(),
    )
    (row,) = json.loads(answered.read_text())["predictions"]
    assert row.keys() == {"label", "p_fair", "p_foul"}

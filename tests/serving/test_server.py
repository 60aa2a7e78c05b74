"""What a server of a run's model answers: `make serve`, which is `mlflow models serve`."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from signal import SIGKILL
from typing import Any

import pytest
import requests

from rnn_bench.serving.classifier import TextClassifier
from tests.serving.conftest import CSV, TINY, Trained, model_of
from tests.test_mlflow_page import PATIENCE, PROJECT, environment

SWEEPS = (("model=gru", *CSV, *TINY),)
JSON = "application/json"


@pytest.fixture(scope="module")
def address(trained: Trained) -> Iterator[str]:
    """Where `make serve` listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (trained.folder / "Makefile").symlink_to(PROJECT / "Makefile")
    installed = ["-o", ".venv/.installed", f"VENV={Path(sys.executable).parent}"]
    log = trained.folder / "serve.txt"
    with log.open("w") as output:
        server = subprocess.Popen(
            ["make", *installed, "serve", f"RUN={trained.runs[0].info.run_id}", f"PORT={port}"],
            cwd=trained.folder,
            env=environment(),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + PATIENCE
        while not answers(f"http://127.0.0.1:{port}/ping"):
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/invocations"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, SIGKILL)
        server.wait()


def answers(address: str) -> bool:
    try:
        return requests.get(address, timeout=5).ok
    except requests.ConnectionError:
        return False


def ask(address: str, body: Any, content_type: str | None = JSON) -> requests.Response:
    content = body if isinstance(body, str | bytes) else json.dumps(body)
    content = content.encode() if isinstance(content, str) else content
    return requests.post(address, content, headers={"Content-Type": content_type}, timeout=PATIENCE)


def test_every_form_of_a_request_gets_label_and_probabilities(
    address: str, trained: Trained
) -> None:
    texts = ["The SUN, warm", "wet sky"]
    classifier = TextClassifier.load(model_of(trained.runs[0]))
    shares = classifier.probabilities(texts)
    labels = classifier.labels(shares)
    bodies: list[Any] = [
        {"inputs": texts},
        {"inputs": {"text": texts}},
        {"instances": texts},
        {"instances": [{"text": text} for text in texts]},
        {"dataframe_records": [{"text": text, "id": 3} for text in texts]},
        {"dataframe_split": {"columns": ["text"], "data": [[text] for text in texts]}},
    ]
    found = [ask(address, body) for body in bodies]
    found.append(ask(address, 'text\n"The SUN, warm"\nwet sky\n', "text/csv"))
    for answer in found:
        assert answer.status_code == 200, answer.text
        rows = answer.json()["predictions"]
        assert [row["label"] for row in rows] == labels
        for row, share in zip(rows, shares.tolist(), strict=True):
            assert [row["p_fair"], row["p_foul"]] == pytest.approx(share)


@pytest.mark.parametrize(
    "text",
    ["", " ", "word " * 200_000, "x" * 10**6, "\U0001f600 \u200d\U0001f468", "a\0b \0", "\n\t\x1b"],
    ids=["empty", "space", "megabyte", "long word", "emoji", "null byte", "control"],
)
def test_odd_texts_are_answered(text: str, address: str) -> None:
    answer = ask(address, {"inputs": [text, "wet sky"]})
    assert answer.status_code == 200
    assert [row["label"] in ("fair", "foul") for row in answer.json()["predictions"]] == [True] * 2


BAD = [
    *(({key: values}, JSON) for key in ("inputs", "instances") for values in (
        [None], ["a", None], [3], ["a", True], [["a"]], ["a", ["b"]], [], "a", 3, None, {},
        {"text": [None]}, {"text": None}, {"body": ["a"]}, [{"text": None}], [{"body": "a"}], [{}],
    )),
    *(({"dataframe_split": {"columns": ["text"], "data": data}}, JSON) for data in (
        [], [[None]], [[3]], [["a"], [None]], [["a", "b"]], "a", [[{"a": 1}]],
    )),
    *(({"dataframe_records": records}, JSON) for records in ([], ["a"], 3, [{"body": "a"}])),
    *((body, JSON) for body in (
        "", "{", "null", "3", '["a"]', '{"inputs": ["a"', '{"inputs": [NaN]}', {}, {"texts": ["a"]},
        {"inputs": ["a"], "instances": ["a"]}, b'{"inputs": ["\xff"]}', "[" * 100_000,
        {"messages": [{"role": "user", "content": "a"}]},
    )),
    *((body, "text/csv") for body in (
        "", "text\n", "body\na\n", 'text\na,b,c\n"x', b"text\n\xff\n", "text\nNA\n",
    )),
    (b"not parquet", "application/vnd.apache.parquet"),
    ("a", "text/plain"),
    ("a", None),
    ({"inputs": ["a"]}, "application/json; charset=latin-1"),
    ({"inputs": ["a"]}, "application/json; version=1"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "content_type"), BAD, ids=lambda value: repr(value)[:60])
def test_a_bad_request_gets_its_reason_in_json(
    body: Any, content_type: str | None, address: str
) -> None:
    answer = ask(address, body, content_type)
    known = content_type in (JSON, "text/csv", "application/vnd.apache.parquet")
    assert answer.status_code == (400 if known else 415), answer.text
    reason = answer.json()
    assert {"error_code", "message"} <= reason.keys()
    assert "stack_trace" not in reason
    assert "Traceback" not in answer.text
    assert not re.search(r'File "[^"]+", line \d+', answer.text)


def test_good_and_bad_requests_at_once_get_each_their_own_answer(address: str) -> None:
    def status(place: int) -> bool:
        if place % 4 == 0:
            return ask(address, {"inputs": [None]}).status_code == 400
        texts = ["wet sky"] * (place % 5 + 1)
        return len(ask(address, {"inputs": texts}).json()["predictions"]) == len(texts)

    with ThreadPoolExecutor(8) as askers:
        assert all(askers.map(status, range(60)))


def test_mlflow_models_predict_answers_a_file(trained: Trained, tmp_path: Path) -> None:
    asked, answered = tmp_path / "asked.json", tmp_path / "answered.json"
    asked.write_text(json.dumps({"inputs": ["wet sky"]}))
    command = [sys.executable, "-m", "mlflow", "models", "predict", "--env-manager", "local"]
    files = ["-m", str(model_of(trained.runs[0])), "-i", str(asked), "-o", str(answered)]
    subprocess.run([*command, *files], check=True, capture_output=True, env=environment())
    (row,) = json.loads(answered.read_text())["predictions"]
    assert row.keys() == {"label", "p_fair", "p_foul"}

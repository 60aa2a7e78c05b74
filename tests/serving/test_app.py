"""What the HTTP server of a run's model answers: `make serve`."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from select import select
from signal import SIGINT, SIGKILL
from threading import Barrier, Thread
from typing import Any
from urllib.parse import urljoin, urlsplit

import mlflow
import pytest
import requests
import torch
import uvicorn
from torch import Tensor

from rnn_bench.serving.app import build_app, open_socket
from rnn_bench.serving.classifier import TextClassifier
from tests.conftest import Command
from tests.serving.conftest import CSV, TINY, Trained, model_of
from tests.test_mlflow_page import PATIENCE, PROJECT, environment

SWEEPS = (("model=gru", *CSV, *TINY),)
JSON = "application/json"
MAX_BODY_BYTES = 2_000_000


@contextmanager
def served(classifier: TextClassifier) -> Iterator[str]:
    """The address of a server in a thread of this process."""
    with open_socket("127.0.0.1", 0) as listener:
        app = build_app(classifier, max_body_bytes=MAX_BODY_BYTES)
        server = uvicorn.Server(uvicorn.Config(app, log_config=None))
        thread = Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/invocations"
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="module")
def address(trained: Trained) -> Iterator[str]:
    with served(TextClassifier.load(model_of(trained.runs[0]))) as address:
        yield address


def ask(
    address: str,
    body: Any,
    content_type: str | None = JSON,
    headers: Mapping[str, str | None] | None = None,
) -> requests.Response:
    content = body if isinstance(body, str | bytes) else json.dumps(body)
    content = content.encode() if isinstance(content, str) else content
    headers = {"Content-Type": content_type, **(headers or {})}
    return requests.post(address, content, headers=headers, timeout=PATIENCE)


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
        {"dataframe_split": {"columns": ["id", "text"], "data": [[3, text] for text in texts]}},
        {"inputs": texts, "params": {"a": 1}},
    ]
    found = [ask(address, body) for body in bodies]
    found.append(ask(address, 'text\n"The SUN, warm"\nwet sky\n', "text/csv"))
    found.append(ask(address, {"inputs": texts}, "Application/JSON; charset=UTF-8"))
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
        [], [[None]], [[3]], [["a"], [None]], [["a", "b"]], "a", [[{"a": 1}]], ["a"], None,
    )),
    *(({"dataframe_records": records}, JSON) for records in ([], ["a"], 3, [{"body": "a"}])),
    *((body, JSON) for body in (
        "", "{", "null", "3", '["a"]', '{"inputs": ["a"', '{"inputs": [NaN]}', {}, {"texts": ["a"]},
        '{"inputs": ["\\ud800"]}', {"dataframe_split": {"columns": ["body"], "data": [["a"]]}},
        {"dataframe_split": {"columns": ["text"]}}, {"dataframe_split": ["a"]},
        {"inputs": ["a"], "instances": ["a"]}, b'{"inputs": ["\xff"]}', "[" * 100_000,
        {"messages": [{"role": "user", "content": "a"}]},
    )),
    *((body, "text/csv") for body in (
        "", "text\n", "body\na\n", 'text\na,b,c\n"x', b"text\n\xff\n", "text\nNA\n",
    )),
    ("a", "text/plain"),
    ("a", "application/vnd.apache.parquet"),
    ("a", None),
    ({"inputs": ["a"]}, "application/json; charset=latin-1"),
    ({"inputs": ["a"]}, "application/json; version=1"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "content_type"), BAD, ids=lambda value: repr(value)[:60])
def test_a_bad_request_gets_its_reason_in_json(
    body: Any, content_type: str | None, address: str
) -> None:
    answer = ask(address, body, content_type)
    known = content_type in (JSON, "text/csv")
    assert answer.status_code == (400 if known else 415), answer.text
    reason = answer.json()
    assert reason.keys() == {"error_code", "message"}
    assert len(reason["message"]) < 300
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


def test_a_text_by_itself_needs_no_list(address: str) -> None:
    assert len(ask(address, {"inputs": {"text": "wet sky"}}).json()["predictions"]) == 1


def test_a_refusal_says_what_is_wrong_and_where(address: str) -> None:
    messages = [
        ask(address, body, content_type).json()["message"]
        for body, content_type in [
            ({"inputs": ["a", None]}, JSON),
            ({"instances": [{"text": "a"}, {"body": "a"}]}, JSON),
            ({"inputs": ["a"], "instances": ["a"]}, JSON),
            ("text\na\nNA\n", "text/csv"),
            ("a", "text/plain"),
        ]
    ]
    assert messages == [
        "inputs.1: Input should be a valid string",
        'instances: row 1 is not an object with a "text"',
        "the body must have exactly one of: inputs, instances, dataframe_split, dataframe_records",
        "text.1: Input should be a valid string",
        "The Content-Type must be application/json or text/csv, and is 'text/plain'.",
    ]


def body_of(size: int) -> bytes:
    """A good request of so many bytes."""
    frame = b'{"inputs": ["a"]}'
    return frame + b" " * (size - len(frame))


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_may_have_so_many_bytes_and_no_more(chunked: bool, address: str) -> None:
    for size, status in ((MAX_BODY_BYTES, 200), (MAX_BODY_BYTES + 1, 413)):
        body = body_of(size)
        content = (body[start : start + 50_000] for start in range(0, size, 50_000))
        answer = requests.post(
            address,
            content if chunked else body,
            headers={"Content-Type": JSON},
            timeout=PATIENCE,
        )
        assert answer.status_code == status
    assert answer.json() == {
        "error_code": "CONTENT_TOO_LARGE",
        "message": "The body is larger than 2,000,000 bytes.",
    }


def test_a_body_without_end_is_refused(address: str) -> None:
    """It is not read to the end, for there is none."""
    host, port = urlsplit(address).netloc.split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
        connection.sendall(
            b"POST /invocations HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        with suppress(OSError):
            while not select([connection], [], [], 0)[0]:
                connection.sendall(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_client_that_goes_away_does_no_harm(
    address: str, caplog: pytest.LogCaptureFixture
) -> None:
    host, port = urlsplit(address).netloc.split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
        connection.sendall(
            b"POST /invocations HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\nabc"
        )
    assert ask(address, {"inputs": ["wet sky"]}).ok
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST:80", "127.0.0.1:5000"])
def test_the_server_answers_by_its_names(host: str, address: str) -> None:
    assert ask(address, {"inputs": ["a"]}, headers={"Host": host}).ok


@pytest.mark.parametrize(
    "host",
    ["example.org", "localhost.example.org:5000", "localhost@example.org", "example.org/localhost",
     "10.0.0.1", "0.0.0.0", "localhost:5000:5000", ""],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/invocations", "/ping", "/docs", "/openapi.json", "/nowhere"])
def test_the_server_answers_by_no_other_name(host: str, path: str, address: str) -> None:
    answer = ask(urljoin(address, path), {"inputs": ["a"]}, headers={"Host": host})
    assert (answer.status_code, answer.json()["error_code"]) == (403, "FORBIDDEN")


def test_health_and_version_are_mlflow_s(address: str) -> None:
    for path, text in (("/ping", "\n"), ("/health", "\n"), ("/version", mlflow.__version__)):
        answer = requests.get(urljoin(address, path), timeout=PATIENCE)
        assert (answer.status_code, answer.text) == (200, text)
        assert answer.headers["Content-Type"] == JSON


def test_unknown_pages_and_methods_are_refused_in_json(address: str) -> None:
    for path, method, status in (("/nowhere", "GET", 404), ("/invocations", "GET", 405)):
        answer = requests.request(method, urljoin(address, path), timeout=PATIENCE)
        assert answer.status_code == status
        assert answer.json().keys() == {"error_code", "message"}
    assert answer.headers["Allow"] == "POST"


def test_the_api_is_described(address: str) -> None:
    described = requests.get(urljoin(address, "/openapi.json"), timeout=PATIENCE).json()
    post = described["paths"]["/invocations"]["post"]
    assert post["requestBody"]["content"].keys() == {JSON, "text/csv"}
    assert post["responses"].keys() == {"200", "400", "413", "415"}
    schemas = described["components"]["schemas"]
    forms = {"inputs", "instances", "dataframe_split", "dataframe_records"}
    assert schemas["InvocationRequest"]["properties"].keys() == forms
    used = set(re.findall(r"#/components/schemas/(\w+)", json.dumps(described)))
    assert used == schemas.keys()
    assert "fair, foul" in described["info"]["description"]
    example = schemas["InvocationRequest"]["examples"][0]
    assert ask(address, example).ok


def test_the_docs_page_says_what_to_do_without_a_network(address: str) -> None:
    page = requests.get(urljoin(address, "/docs"), timeout=PATIENCE)
    assert page.headers["Content-Type"].startswith("text/html")
    replaced = page.text.partition('<div id="swagger-ui">')[2].partition("</div>")[0]
    assert '<a href="/openapi.json">' in replaced
    assert f"curl {address} -H" in replaced


def test_requests_are_answered_in_parallel(there: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    both = Barrier(2)
    answer = TextClassifier.probabilities

    def probabilities(self: TextClassifier, texts: list[str]) -> Tensor:
        both.wait(PATIENCE)
        return answer(self, texts)

    monkeypatch.setattr(TextClassifier, "probabilities", probabilities)
    classifier = TextClassifier.load(model_of(there.runs[0]))
    with served(classifier) as address, ThreadPoolExecutor(2) as askers:
        found = [*askers.map(ask, [address] * 2, [{"inputs": ["a"]}] * 2)]
    assert [each.status_code for each in found] == [200, 200]


def test_a_failure_of_the_model_is_answered_without_its_traceback(
    there: Trained, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(self: TextClassifier, texts: list[str]) -> Tensor:
        raise RuntimeError("secret")

    monkeypatch.setattr(TextClassifier, "probabilities", fail)
    with served(TextClassifier.load(model_of(there.runs[0]))) as address:
        answer = ask(address, {"inputs": ["a"]})
    assert (answer.status_code, answer.json()["error_code"]) == (500, "INTERNAL_ERROR")
    assert "secret" not in answer.text
    assert "secret" in caplog.text, "the terminal shows what happened"


def test_a_diverged_model_s_probabilities_are_null(there: Trained) -> None:
    classifier = TextClassifier.load(model_of(there.runs[0]))
    with torch.no_grad():
        for weights in classifier.model.parameters():
            weights.fill_(torch.nan)
    with served(classifier) as address:
        (row,) = ask(address, {"inputs": ["a"]}).json()["predictions"]
    assert (row["p_fair"], row["p_foul"]) == (None, None)


def test_small_answers_are_sent_at_once() -> None:
    with (
        open_socket("127.0.0.1", 0) as listener,
        socket.create_connection(listener.getsockname()),
        listener.accept()[0] as connection,
    ):
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_ctrl_c_ends_the_server(there: Trained) -> None:
    command = [sys.executable, "-m", "rnn_bench.serving", "serve", str(model_of(there.runs[0]))]
    with started([*command, "--port", "0", "--max-body-bytes", "20"], os.environ) as server:
        address = printed_address(server)
        assert ask(address, body_of(20)).ok
        assert ask(address, body_of(21)).status_code == 413
        server.send_signal(SIGINT)
        _, errors = server.communicate(timeout=PATIENCE)
    assert (server.returncode, errors) == (0, "")


def test_make_serve_serves_a_run(there: Trained) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    Path("Makefile").symlink_to(PROJECT / "Makefile")
    installed = ["-o", ".venv/.installed", f"VENV={Path(sys.executable).parent}"]
    run_id = there.runs[0].info.run_id
    with started(["make", *installed, "serve", f"RUN={run_id}", f"PORT={port}"], environment()) as (
        server
    ):
        address = printed_address(server)
        assert urlsplit(address).port == port
        assert ask(address, {"inputs": ["wet sky"]}).ok


@contextmanager
def started(
    command: Sequence[str], environment: Mapping[str, str]
) -> Iterator["subprocess.Popen[str]"]:
    """A process that ends with the block, with all that it has started."""
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    ) as server:
        try:
            yield server
        finally:
            with suppress(ProcessLookupError):
                os.killpg(server.pid, SIGKILL)


def printed_address(server: "subprocess.Popen[str]") -> str:
    """The address in the request that a starting server shows."""
    assert server.stdout
    printed = "".join(server.stdout.readline() for _ in range(4))
    found = re.search(r"curl (http://127\.0\.0\.1:\d+/invocations) ", printed)
    assert found, printed
    return found[1]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nonsense",), "Run with id=nonsense not found"),
        ((".",), "it has no file config.json"),
        (("MODEL", "--port", "TAKEN"), "Address already in use. Choose another"),
        (("MODEL", "--port", "65536"), "from 0 to 65535, not 65536"),
        (("MODEL", "--host", "192.0.2.1"), "cannot listen on 192.0.2.1"),
    ],
)
def test_what_cannot_be_served_is_refused_in_a_few_lines(
    arguments: tuple[str, ...], says: str, address: str, there: Trained, serving: Command
) -> None:
    meant = {"MODEL": str(model_of(there.runs[0])), "TAKEN": str(urlsplit(address).port)}
    answer = serving("serve", *(meant.get(each, each) for each in arguments))
    assert (answer.status, answer.out) == (2, "")
    assert says in answer.err
    assert "Traceback" not in answer.err

"""A real HTTP server on loopback in the place of the Hugging Face hub, and a data set for it."""

import hashlib
import io
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pandas as pd

CARD = """---
configs:
- config_name: default
  data_files:
  - {split: train, path: data/train-*}
  - {split: test, path: data/test-*}
dataset_info:
  features:
  - {name: text, dtype: string}
  - name: label
    dtype: {class_label: {names: {'0': pos, '1': neg}}}
---
"""


def rows(count: int, start: int = 0, **columns: Any) -> pd.DataFrame:
    """Articles of two classes in turns."""
    numbers = range(start, start + count)
    texts = [f"{('Good', 'Bad')[i % 2]} words, number {i}" for i in numbers]
    return pd.DataFrame({"text": texts, "label": [i % 2 for i in numbers], **columns})


def parquet(table: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    table.to_parquet(buffer)
    return buffer.getvalue()


WHOLE = {
    "README.md": CARD.encode(),
    "data/train-00000-of-00002.parquet": parquet(rows(40)),
    "data/train-00001-of-00002.parquet": parquet(rows(20, 40)),
    "data/test-00000-of-00001.parquet": parquet(rows(20, 60)),
}
COMMIT, LATER = "a1" * 20, "b2" * 20


@dataclass
class Hub:
    """The files of the data set `path` at each commit, and the commits of its branches.

    `refusal` is the hub's code for why it gives nothing: GatedRepo, RepoNotFound or none ("").
    """

    path: str
    commits: dict[str, Mapping[str, bytes]]
    branches: dict[str, str]
    refusal: str | None = None
    url: str = ""
    asked_for: list[str] = field(default_factory=list)

    def answer(self, path: str, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        """The status, content and headers for a request."""
        found = re.fullmatch(rf"/(?:api/)?datasets/{self.path}/([a-z-]+)/([^/]*)/?(.*)", path)
        if self.refusal is not None or found is None:
            code = "RepoNotFound" if self.refusal is None else self.refusal
            return 404 if code == "RepoNotFound" else 403, b"{}", {"X-Error-Code": code}
        what, revision, file = found.groups()
        revision = unquote(revision)
        commit = self.branches.get(revision, revision)
        if commit not in self.commits:
            return 404, b"{}", {"X-Error-Code": "RevisionNotFound"}
        files = self.commits[commit]
        if what == "resolve":
            headers = {"X-Repo-Commit": commit}
            if file not in files:
                return 404, b"", {**headers, "X-Error-Code": "EntryNotFound"}
            return 200, files[file], {**headers, "ETag": f'"{blob(files[file])}"'}
        if what == "revision":
            siblings = [{"rfilename": name} for name in files]
            answer: object = {"id": self.path, "sha": commit, "siblings": siblings}
        elif what == "tree":
            answer = listing(files, f"{file}/" if file else "")
        else:
            wanted = parse_qs(body.decode()).get("paths", [])
            answer = [each for each in listing(files, "", deep=True) if each["path"] in wanted]
        return 200, json.dumps(answer).encode(), {}


def blob(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()


def listing(
    files: Mapping[str, bytes], folder: str, deep: bool = False
) -> list[dict[str, str | int]]:
    """What the hub tells of the files and folders in a folder."""
    found: dict[str, dict[str, str | int]] = {}
    for path, content in files.items():
        if not path.startswith(folder):
            continue
        child, _, below = path[len(folder) :].partition("/")
        if below and not deep:
            where = f"{folder}{child}"
            found[where] = {"type": "directory", "oid": "0" * 40, "size": 0, "path": where}
        else:
            size = len(content)
            found[path] = {"type": "file", "oid": blob(content), "size": size, "path": path}
    return [*found.values()]


@contextmanager
def serving_hub(hub: Hub) -> Iterator[Hub]:
    """The hub at `url`, until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            path = urlsplit(self.path).path
            hub.asked_for.append(f"{self.command} {path}")
            status, content, headers = hub.answer(path, body)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_HEAD = do_POST = do_GET  # noqa: N815

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hub.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()

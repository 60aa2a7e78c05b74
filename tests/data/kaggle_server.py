"""A real HTTP server on loopback in Kaggle's place. It is reached as a proxy, through the
environment alone, so that kagglehub is the same in this process and in others."""

import base64
import hashlib
import io
import json
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from tests.data.file_server import answering

# kagglehub writes blocks of 2**20 bytes; a smaller archive leaves nothing to resume.
FIRST_PART = 2**20 + 2**19
TRUE = b"title,text,subject,date\n" + b"a title,a text,news,today\n" * 60_000
FAKE = b"title,text,subject,date\n" + b"another title,another text,news,today\n" * 30_000
ISOT = {"News _dataset/True.csv": TRUE, "News _dataset/Fake.csv": FAKE}
FAKE_OR_REAL = {"fake_or_real_news.csv": b"Unnamed: 0,title,text,label\n1,a,b,REAL\n"}


def archive_of(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)  # the same bytes at any time
    return buffer.getvalue()


@dataclass
class Kaggle:
    """What the server does, and the requests that it got.

    `behaviour` is one of whole, cut off, corrupt, silent from the start, silent half way, or
    the HTTP status of a refusal.
    """

    files: Mapping[str, bytes]
    behaviour: str | int = "whole"
    url: str = ""
    asked_for: list[str] = field(default_factory=list)
    ranges: list[str | None] = field(default_factory=list)
    sent_first_part: threading.Event = field(default_factory=threading.Event)
    closing: threading.Event = field(default_factory=threading.Event)

    def environment(self, folder: Path) -> dict[str, str]:
        return {
            "KAGGLE_API_ENVIRONMENT": "LOCALHOST",
            "http_proxy": self.url,
            "no_proxy": "",
            "NO_PROXY": "",
            "HOME": str(folder / "home"),
            "KAGGLE_CONFIG_DIR": str(folder / "home"),
            "KAGGLEHUB_CACHE": str(folder / "cache"),
        }


@contextmanager
def kaggle_serving(files: Mapping[str, bytes]) -> Iterator[Kaggle]:
    """The server, until the block ends."""
    kaggle = Kaggle(files)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            kaggle.asked_for.append(self.path.rpartition("/")[2])
            if kaggle.behaviour == "silent from the start":
                kaggle.closing.wait()
            elif isinstance(kaggle.behaviour, int):
                self.answer(kaggle.behaviour, {"code": kaggle.behaviour, "message": "no\nreally"})
            elif self.path.endswith("GetDataset"):
                self.answer(200, {"id": 1, "ref": "owner/name", "currentVersionNumber": 7})
            else:
                self.send_response(302)
                self.send_header("Location", "/storage/archive.zip")
                self.end_headers()

        def answer(self, status: int, content: object) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("X-Kaggle-HubVersion", "99.0.0")
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        def do_GET(self) -> None:
            archive = archive_of(kaggle.files)
            wanted = self.headers["Range"]
            kaggle.ranges.append(wanted)
            start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
            md5 = hashlib.md5(archive if kaggle.behaviour != "corrupt" else b"").digest()
            self.send_response(206 if wanted else 200)
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("x-goog-hash", f"md5={base64.b64encode(md5).decode()}")
            self.send_header("Content-Length", str(len(archive) - start))
            self.end_headers()
            if kaggle.behaviour in ("cut off", "silent half way"):
                self.wfile.write(archive[start:FIRST_PART])
                kaggle.sent_first_part.set()
                if kaggle.behaviour == "silent half way":
                    kaggle.closing.wait()
            elif wanted:
                self.wfile.write(archive[start:])
            else:
                # kagglehub hangs up on this answer when it asks again for the rest.
                with suppress(ConnectionError):
                    self.wfile.write(archive)

        def log_message(self, *args: object) -> None:
            pass

    with answering(Handler, kaggle.closing) as kaggle.url:
        yield kaggle

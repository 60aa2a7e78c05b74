"""A real HTTP server on loopback in the place of a public corpus's source."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Source:
    """The files that the server has by path, what it does, and the requests that it got.

    `behaviour` is one of whole, cut off, silent half way, without ranges, or the HTTP status of a
    refusal.
    """

    files: Mapping[str, bytes]
    behaviour: str | int = "whole"
    url: str = ""
    asked_for: list[str] = field(default_factory=list)
    ranges: list[str | None] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)


class Server(ThreadingHTTPServer):
    daemon_threads = False  # so that closing waits for the answers under way


@contextmanager
def answering(handler: type[BaseHTTPRequestHandler], closing: threading.Event) -> Iterator[str]:
    """Give the address of a server on loopback, until the block ends. Then `closing` is set, so
    that a handler that waits for it ends."""
    with Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            closing.set()
            server.shutdown()
            thread.join()


@contextmanager
def serving(files: Mapping[str, bytes]) -> Iterator[Source]:
    """The server, until the block ends."""
    source = Source(files)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, wanted = self.path.lstrip("/"), self.headers["Range"]
            source.asked_for.append(path)
            source.ranges.append(wanted)
            content = source.files.get(path)
            if isinstance(source.behaviour, int) or content is None:
                self.send_error(404 if content is None else int(source.behaviour))
                return
            ranged = wanted is not None and source.behaviour != "without ranges"
            start = int(wanted.removeprefix("bytes=").removesuffix("-")) if ranged else 0
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206 if ranged else 200)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            if source.behaviour in ("cut off", "silent half way"):
                self.wfile.write(content[start : (start + len(content)) // 2])
                if source.behaviour == "silent half way":
                    source.closing.wait()
            else:
                self.wfile.write(content[start:])

        def log_message(self, *args: object) -> None:
            pass

    with answering(Handler, source.closing) as source.url:
        yield source

"""JSON answers to requests that are refused, and the check of the Host header."""

import re
from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

ERROR_CODES = {
    400: "BAD_REQUEST",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    413: "CONTENT_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    500: "INTERNAL_ERROR",
}


def refuse(status: int, message: str) -> JSONResponse:
    """Return an `ErrorAnswer` with an HTTP status."""
    return JSONResponse({"error_code": ERROR_CODES[status], "message": message}, status)


async def answer_http_error(request: Request, error: HTTPException) -> JSONResponse:
    """Return the answer to an error that a route raised, or FastAPI itself (404, 405)."""
    answer = refuse(error.status_code, error.detail)
    answer.headers.update(error.headers or {})
    return answer


async def answer_disconnected(request: Request, error: Exception) -> JSONResponse:
    """Return an answer to a client that went away, so that the terminal shows no traceback."""
    return refuse(400, "The body ended early.")


async def answer_failure(request: Request, error: Exception) -> JSONResponse:
    """Return an answer to a request that failed here; uvicorn prints the traceback."""
    return refuse(500, "The server failed. Its terminal says why.")


EXCEPTION_HANDLERS: dict[int | type[Exception], Callable[..., Coroutine[Any, Any, Response]]] = {
    HTTPException: answer_http_error,
    ClientDisconnect: answer_disconnected,
    Exception: answer_failure,
}


@dataclass
class HostCheck:
    """Refuse requests that call the server by another name (403).

    A web page could otherwise make its own name mean this machine, and read the answers (DNS
    rebinding).
    """

    app: ASGIApp
    hosts: Collection[str]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            host = re.sub(r":\d+$", "", Headers(scope=scope).get("host", "")).lower()
            if host not in self.hosts:
                names = ", ".join(sorted(self.hosts))
                answer = refuse(403, f"This server is not called {host!r} but {names}.")
                await answer(scope, receive, send)
                return
        await self.app(scope, receive, send)

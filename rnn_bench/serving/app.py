"""The HTTP server of a trained model: a FastAPI application run by uvicorn."""

import asyncio
import socket
from collections.abc import Callable, Collection
from contextlib import suppress

import mlflow
import torch
import uvicorn
from fastapi import FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, JSONResponse, Response

from rnn_bench import own_version
from rnn_bench.config.errors import UsageError
from rnn_bench.serving import MAX_BODY_BYTES
from rnn_bench.serving.bodies import find_reader, read_body
from rnn_bench.serving.classifier import TextClassifier
from rnn_bench.serving.outputs import prediction_rows
from rnn_bench.serving.refusals import EXCEPTION_HANDLERS, HostCheck
from rnn_bench.serving.schemas import ErrorAnswer, InvocationAnswer, InvocationRequest
from rnn_bench.serving.stored import load_classifier

MAX_PORT = 65535
SHUTDOWN_SECONDS = 5  # that requests in progress get after Ctrl-C
REQUEST_CONTENT = {
    "application/json": {"schema": {"$ref": "#/components/schemas/InvocationRequest"}},
    "text/csv": {"schema": {"type": "string"}, "example": "text\na first text\na second text\n"},
}
CURL = """\
  curl {address}/invocations -H 'Content-Type: application/json' \\
    -d '{{"inputs": ["a first text", "a second text"]}}'"""
STARTED = """\
Serving {model} on {address}. Its API: {address}/docs. Ctrl-C ends it.
From another terminal:
{curl}"""
# Swagger UI takes its place when its JavaScript has come from the network.
OFFLINE = """\
<h1>{title}</h1>
<p>The interactive page loads Swagger UI from the web, and needs a network. Without one,
<a href="/openapi.json">/openapi.json</a> describes the API. A request:</p>
<pre>{curl}</pre>"""


def serve(
    model: str,
    tracking_uri: str | None,
    host: str,
    port: int,
    max_body_bytes: int,
    trust: Collection[str],
) -> None:
    """Answer texts over HTTP with a run's model, until Ctrl-C.

    Args:
        model: a run's id, a model URI or a folder.
        tracking_uri: MLflow's store; None is the usual one.
        host: the address to listen on, and the name that requests may call it by.
        port: 0 takes a free one.
        max_body_bytes: larger requests are refused.
        trust: modules of the user's own, whose classes the model may be made of.

    Raises:
        UsageError: there is no such model, or the port cannot be used.
    """
    torch.set_num_threads(1)  # requests are answered in parallel, a thread each
    classifier = load_classifier(model, tracking_uri, trust)
    with open_socket(host, port) as listener:
        address = f"http://{in_url(host)}:{listener.getsockname()[1]}"
        curl = CURL.format(address=address)
        print(STARTED.format(model=model, address=address, curl=curl), flush=True)
        app = build_app(classifier, host, max_body_bytes)
        config = uvicorn.Config(
            app, log_level="warning", timeout_graceful_shutdown=SHUTDOWN_SECONDS
        )
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run([listener])


def open_socket(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises:
        UsageError: the address is not this machine's, or the port is taken or none.
    """
    if not 0 <= port <= MAX_PORT:
        raise UsageError(f"A port is a number from 0 to {MAX_PORT}, not {port}.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        reason = str(error.strerror).partition(" (")[0]  # without Python's own words
        raise UsageError(
            f"The server cannot listen on {host}, port {port}: {reason}. "
            "Choose another with --host or --port."
        ) from error
    # Connections inherit it. Without it the body of an answer waits 40 ms behind its headers.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def in_url(host: str) -> str:
    """Return a host as URLs and Host headers have it: IPv6 addresses in brackets."""
    return f"[{host}]" if ":" in host else host


def build_app(
    classifier: TextClassifier, host: str = "127.0.0.1", max_body_bytes: int = MAX_BODY_BYTES
) -> FastAPI:
    """Return the application, with the routes of MLflow's scoring server and a page at /docs."""
    app = FastAPI(
        title="rnn_bench text classifier",
        description=f"Classes: {', '.join(classifier.classes)}",
        version=own_version(),
        docs_url=None,
        redoc_url=None,
        exception_handlers=EXCEPTION_HANDLERS,
    )
    app.add_middleware(HostCheck, hosts={"127.0.0.1", "localhost", in_url(host).lower()})

    @app.get("/health")
    @app.get("/ping")
    async def ping() -> Response:
        """Answer as soon as the model is loaded."""
        return Response("\n", media_type="application/json")

    @app.get("/version")
    async def mlflow_version() -> Response:
        """Return the version of MLflow."""
        return Response(mlflow.__version__, media_type="application/json")

    @app.post(
        "/invocations",
        response_model=InvocationAnswer,
        responses={code: {"model": ErrorAnswer} for code in (400, 413, 415)},
        openapi_extra={"requestBody": {"required": True, "content": REQUEST_CONTENT}},
    )
    async def invocations(request: Request) -> Response:
        """Classify texts."""
        read = find_reader(request.headers.get("content-type", ""))
        body = await read_body(request, max_body_bytes)
        return await asyncio.to_thread(classify, read, body)

    def classify(read: Callable[[bytes], list[str]], body: bytes) -> Response:
        texts = read(body)
        found = classifier.probabilities(texts)
        rows = prediction_rows(classifier.labels(found), found.tolist(), classifier.classes)
        return JSONResponse({"predictions": rows})

    @app.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> Response:
        page = get_swagger_ui_html(
            openapi_url="/openapi.json", title=app.title, swagger_favicon_url="data:,"
        )
        curl = CURL.format(address=str(request.base_url).rstrip("/"))
        offline = OFFLINE.format(title=app.title, curl=curl)
        mount = '<div id="swagger-ui">'
        return HTMLResponse(bytes(page.body).decode().replace(mount, mount + offline))

    schema = InvocationRequest.model_json_schema(ref_template="#/components/schemas/{model}")
    parts = schema.pop("$defs")
    app.openapi()["components"]["schemas"].update(parts, InvocationRequest=schema)
    return app

"""Reading the body of a request: how large it may be, and which texts it holds."""

from collections.abc import Callable
from io import BytesIO

import pandas as pd
from fastapi import HTTPException, Request
from pydantic import ValidationError

from rnn_bench.serving.schemas import TEXTS, InvocationRequest, reason


async def read_body(request: Request, max_bytes: int) -> bytes:
    """Return the body; never hold more of it than is allowed.

    Raises:
        HTTPException: it is larger (413).
    """
    too_large = HTTPException(413, f"The body is larger than {max_bytes:,} bytes.")
    if int(request.headers.get("content-length", 0)) > max_bytes:
        raise too_large
    body = bytearray()
    async for chunk in request.stream():  # without a length, chunks are counted as they come
        if len(body) + len(chunk) > max_bytes:
            raise too_large
        body += chunk
    return bytes(body)


def find_reader(content_type: str) -> Callable[[bytes], list[str]]:
    """Return the function that reads bodies of a content type.

    Raises:
        HTTPException: there is none (415).
    """
    media_type, *parameters = (part.strip().lower() for part in content_type.split(";"))
    if media_type not in READERS:
        known = " or ".join(READERS)
        raise HTTPException(415, f"The Content-Type must be {known}, and is {content_type!r}.")
    for parameter in parameters:
        if parameter not in ("", "charset=utf-8", 'charset="utf-8"'):
            raise HTTPException(415, f"Only charset=utf-8 may follow {media_type}: {parameter!r}.")
    return READERS[media_type]


def read_json(body: bytes) -> list[str]:
    """Return the texts of an `InvocationRequest`.

    Raises:
        HTTPException: it is not JSON, or not in one of its forms (400).
    """
    try:
        return InvocationRequest.model_validate_json(body).texts
    except ValidationError as error:
        raise HTTPException(400, reason(error)) from None


def read_csv(body: bytes) -> list[str]:
    """Return the column `text` of a CSV file. As in MLflow's server, empty cells and NA are null.

    Raises:
        HTTPException: it is not a table, has no such column, or a text is null (400).
    """
    try:
        table = pd.read_csv(BytesIO(body), dtype=str)
        if "text" not in table:
            raise ValueError("it has no column text")
        return TEXTS.validate_python(table["text"].tolist())
    except ValidationError as error:
        raise HTTPException(400, f"text.{reason(error)}") from None
    except ValueError as error:  # pandas's and Unicode's are of this class
        raise HTTPException(400, f"The CSV file cannot be read: {error}") from None


READERS = {"application/json": read_json, "text/csv": read_csv}

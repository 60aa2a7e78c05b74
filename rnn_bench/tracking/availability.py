"""What to do while an MLflow store cannot be reached: give up within seconds, or try again."""

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import requests
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from rnn_bench.config.errors import UsageError, shorten

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

PATIENCE_SECONDS = 600  # how long a run that cannot begin without MLflow tries again
# MLflow's own retries take minutes, in which nothing would be trained.
SHORT_TIMEOUTS = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
# MLflow has answered, and would answer the same again.
REFUSALS = (
    "BAD_REQUEST",
    "INVALID_PARAMETER_VALUE",
    "INVALID_STATE",
    "PERMISSION_DENIED",
    "RESOURCE_DOES_NOT_EXIST",
    "UNAUTHENTICATED",
)


@contextmanager
def short_timeouts() -> Iterator[None]:
    """Make calls to an unreachable MLflow server fail within seconds while the block runs.

    Timeouts that the user has set stay.
    """
    ours = {name: value for name, value in SHORT_TIMEOUTS.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)


def retry_until_reachable(call: Callable[[], Answer], on_wait: Callable[[], None]) -> Answer:
    """Return what `call` returns, and call it again while MLflow cannot be reached.

    `on_wait` is called after each failure, and may raise.

    Raises:
        Exception: what `call` raised, if MLflow was reached or PATIENCE_SECONDS are over.
    """
    until, warned = time.monotonic() + PATIENCE_SECONDS, False
    while True:
        try:
            with short_timeouts():
                return call()
        except Exception as error:
            if not unreachable(error) or time.monotonic() > until:
                raise
            if not warned:
                reason = shorten(str(error).strip().partition("\n")[0], 300)
                log.warning("MLflow cannot be reached; it is waited for. %s", reason)
                warned = True
        on_wait()
        time.sleep(1)


def unreachable(error: BaseException | None) -> bool:
    """Return whether an error means that MLflow cannot be reached, rather than that it refuses."""
    if isinstance(error, UsageError):
        error = error.__cause__
    if isinstance(error, MlflowException):
        return error.error_code not in REFUSALS
    return isinstance(error, SQLAlchemyError | requests.RequestException)

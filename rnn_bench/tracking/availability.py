"""Waiting for an MLflow store that cannot be reached, and telling that from a refusal."""

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import requests
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from rnn_bench.config.errors import UsageError

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")


PATIENCE_SECONDS = 600  # of a run that cannot begin without MLflow


# MLflow's own patience is minutes of retries, in which nothing would be trained.
IMPATIENT = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}


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
def impatient() -> Iterator[None]:
    """In this process, an MLflow server that cannot be reached is an error within seconds."""
    ours = {name: value for name, value in IMPATIENT.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)


def patiently(ask: Callable[[], Answer], on_wait: Callable[[], None]) -> Answer:
    """MLflow's answer. While it cannot be reached it is asked again, for PATIENCE_SECONDS.

    `on_wait` is called meanwhile, and may raise to end that.

    Raises:
        Exception: what `ask` raised last.
    """
    until, told = time.monotonic() + PATIENCE_SECONDS, False
    while True:
        try:
            with impatient():
                return ask()
        except Exception as error:
            if not unreachable(error) or time.monotonic() > until:
                raise
            if not told:
                log.warning("MLflow cannot be reached; it is waited for.")
                told = True
        on_wait()
        time.sleep(1)


def unreachable(error: BaseException | None) -> bool:
    """Whether an error says that MLflow does not answer, rather than what it answers."""
    if isinstance(error, UsageError):
        error = error.__cause__
    if isinstance(error, MlflowException):
        return error.error_code not in REFUSALS
    return isinstance(error, SQLAlchemyError | requests.RequestException)

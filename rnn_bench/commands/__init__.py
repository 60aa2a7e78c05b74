"""The commands. Each is a module with a function `run(arguments)`, which returns an exit status, or
None for success."""

import logging
import os
from typing import Any

SUCCESS, FAILED, UNUSABLE, INTERRUPTED = 0, 1, 2, 130


def shows_tracebacks() -> bool:
    """Return whether a user's errors are shown with their tracebacks."""
    return os.environ.get("HYDRA_FULL_ERROR") == "1"


def log_to(stream: Any) -> None:
    """Print the package's log messages on a stream."""
    logger = logging.getLogger("rnn_bench")
    logger.setLevel(logging.INFO)
    logger.handlers = [logging.StreamHandler(stream)]

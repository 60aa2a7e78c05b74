"""The command `sync`: send waiting results to an MLflow that could not be reached before."""

import argparse
import sys
from pathlib import Path

from rnn_bench.commands import FAILED, SUCCESS
from rnn_bench.config.errors import UsageError
from rnn_bench.tracking.outbox import send_unsent, unsent


def run(arguments: argparse.Namespace) -> int:
    """Send the waiting results of an output folder to MLflow; return the exit status.

    Raises:
        UsageError: there is no such folder.
    """
    folder = Path(arguments.output_dir)
    if not folder.is_dir():
        raise UsageError(f"There is no folder {folder}.")
    waiting = unsent(folder)
    problems = send_unsent(waiting)
    sent = len(waiting) - len(problems)
    print(f"Recorded {sent} of {len(waiting)} waiting runs." if waiting else "Nothing waits.")
    for problem in problems:
        print(problem, file=sys.stderr)
    return FAILED if problems else SUCCESS

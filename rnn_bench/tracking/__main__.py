"""The tracking command: record what waits for an MLflow that could not be reached."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

SUCCESS, UNSENT_LEFT, UNUSABLE = 0, 1, 2

DESCRIPTION = """\
Runs go on training while MLflow cannot be reached, and what they would have
recorded waits in OUTPUT_DIR/runs. A sweep sends it at its start and at its end.

sync     send it now. Nothing is recorded twice."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m rnn_bench.tracking",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", metavar="COMMAND", choices=("sync",), help="sync")
    parser.add_argument(
        "output_dir", metavar="OUTPUT_DIR", nargs="?", default="outputs", help="by default outputs"
    )
    folder = Path(parser.parse_args(argv).output_dir)
    if not folder.is_dir():
        print(f"There is no folder {folder}.", file=sys.stderr)
        return UNUSABLE

    from rnn_bench.tracking.outbox import send_unsent, unsent

    waiting = unsent(folder)
    problems = send_unsent(waiting)
    sent = len(waiting) - len(problems)
    print(f"Recorded {sent} of {len(waiting)} waiting runs." if waiting else "Nothing waits.")
    for problem in problems:
        print(problem, file=sys.stderr)
    return UNSENT_LEFT if problems else SUCCESS


if __name__ == "__main__":
    sys.exit(main())

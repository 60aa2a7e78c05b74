"""`python -m rnn_bench.serving predict|serve|--register NAME ...`: the commands on models."""

import sys
from collections.abc import Sequence

from rnn_bench import command_line

PROGRAM = "python -m rnn_bench.serving"


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line, where `--register NAME` is the command `register NAME`; return the exit
    status."""
    words = sys.argv[1:] if words is None else [*words]
    if words and words[0] not in ("predict", "serve"):
        words = [part for word in words for part in _split_register(word)]
        if "--register" in words:
            words.remove("--register")
            words.insert(0, "register")
    return command_line.main(words, PROGRAM, ("predict", "serve", "register"))


def _split_register(word: str) -> list[str]:
    return word.split("=", 1) if word.startswith("--register=") else [word]


if __name__ == "__main__":
    sys.exit(main())

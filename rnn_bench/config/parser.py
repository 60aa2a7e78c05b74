"""A parser of command lines whose errors are UsageErrors, and whose flags can be given once."""

import argparse
from pathlib import Path
from typing import Any, NoReturn

from rnn_bench.config.errors import UsageError


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that raises UsageError instead of printing its usage and ending the
    process, and refuses a flag that is given twice. It parses one command line."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in (None, "store"):
            self.register("action", name, _StoreOnce)

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message[0].upper()}{message[1:]}.\nWhat there is: {self.prog} --help")


class _StoreOnce(argparse.Action):
    """Stores a value as argparse does, the first time."""

    is_given = False

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        if option_string and self.is_given:
            parser.error(f"{option_string} is given twice: leave one out")
        self.is_given = bool(option_string)
        setattr(namespace, self.dest, values)


def user_path(text: str) -> Path:
    """Return a path with a leading `~` as the home folder, which a shell leaves in `--csv=~/x`."""
    return Path(text).expanduser()

"""Parses a command line, runs its command, and turns errors into messages and exit statuses.

A command's module is imported after its arguments are checked, so that help, `--version` and wrong
arguments do not wait for torch, MLflow or pandas.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rnn_bench import own_version
from rnn_bench.commands import INTERRUPTED, SUCCESS, UNUSABLE, shows_tracebacks
from rnn_bench.commands.arguments import COMMANDS, PROGRAM, command_parser, program_parser
from rnn_bench.config.errors import UsageError, printable


def main(
    words: Sequence[str] | None = None,
    program: str = PROGRAM,
    commands: Sequence[str] = tuple(COMMANDS),
) -> int:
    """Run the command that the first word names, one of `commands`; return the exit status. The
    other words are its arguments. The default is the words that this process was started with.

    Raises:
        SystemExit: after a help page.
    """
    words = sys.argv[1:] if words is None else [*words]
    parser = program_parser(program, commands)
    if not words:
        parser.print_help(sys.stderr)
        return UNUSABLE
    try:
        arguments = parser.parse_args(words[:1])
    except UsageError as error:
        print(printable(str(error)), file=sys.stderr)
        return UNUSABLE
    if arguments.version:
        print("rnn_bench", own_version())
        return SUCCESS
    if program == PROGRAM and (folder := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, folder)  # as `python -m` does, for the user's own cells and corpora
    return run_command(arguments.command, words[1:], f"{program} {arguments.command}")


def run_command(name: str, words: Sequence[str] | None = None, program: str = "") -> int:
    """Run a command with these arguments; return the exit status. The default is the words that
    this process was started with. `program` is the command's name in its help page.

    Raises:
        SystemExit: after a help page.
    """
    words = sys.argv[1:] if words is None else [*words]
    try:
        try:
            return _run(name, words, program)
        finally:
            sys.stdout.flush()
    except UsageError as error:
        if shows_tracebacks():
            raise
        print(printable(str(error)), file=sys.stderr)
        return UNUSABLE
    except KeyboardInterrupt:
        hint = " The same command goes on from here." if COMMANDS[name].resumes else ""
        print(f"Interrupted.{hint}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader, such as head, has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return SUCCESS


def _run(name: str, words: Sequence[str], program: str) -> int:
    arguments: argparse.Namespace | Any
    if name == "sweep":  # Hydra parses its arguments
        arguments = _command_module("sweep_request").request_sweep(words)
        if arguments is None:
            return SUCCESS
    else:
        arguments = command_parser(name, program).parse_intermixed_args(words)
        COMMANDS[name].check(arguments)
    return _command_module(name).run(arguments) or SUCCESS


def _command_module(name: str) -> Any:
    return importlib.import_module(f"rnn_bench.commands.{name}")

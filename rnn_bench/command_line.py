"""The command line: parses the words, runs the command that they name, and turns errors into
messages and exit statuses.

A command's module is imported only when its arguments are known to be right, so that help,
`--version` and wrong arguments wait for none of torch, MLflow or pandas.
"""

import argparse
import importlib
import importlib.metadata
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rnn_bench.commands import INTERRUPTED, SUCCESS, UNUSABLE, shows_tracebacks
from rnn_bench.commands.arguments import COMMANDS, command_parser, program_parser
from rnn_bench.config.errors import UsageError

PROGRAM = "rnn-bench"


def main(
    words: Sequence[str] | None = None,
    program: str = PROGRAM,
    commands: Sequence[str] = tuple(COMMANDS),
) -> int:
    """Run the command that the first word names, one of `commands`, with the others as its
    arguments; return the exit status. By default the words are the process's own.

    Raises:
        SystemExit: the words ask for help, or cannot be parsed.
    """
    words = sys.argv[1:] if words is None else [*words]
    parser = program_parser(program, commands)
    if not words:
        parser.print_help(sys.stderr)
        return UNUSABLE
    asked = parser.parse_args(words[:1])
    if asked.version:
        print("rnn_bench", importlib.metadata.version("rnn_bench"))
        return SUCCESS
    if program == PROGRAM and (folder := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, folder)  # as `python -m` does: a user's own cells and corpora lie there
    return run_command(asked.command, words[1:], f"{program} {asked.command}")


def run_command(name: str, words: Sequence[str] | None = None, program: str = "") -> int:
    """Run a command with these arguments, by default the process's own; return the exit status.
    `program` is what the command is called in its help.

    Raises:
        SystemExit: the words ask for help, or cannot be parsed.
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
        print(error, file=sys.stderr)
        return UNUSABLE
    except KeyboardInterrupt:
        rest = " The same command goes on from here." if COMMANDS[name].resumes else ""
        print(f"Interrupted.{rest}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return SUCCESS


def _run(name: str, words: Sequence[str], program: str) -> int:
    arguments: argparse.Namespace | Any
    if name == "sweep":  # its arguments are Hydra's: each run's configuration is composed of them
        arguments = _command_module("sweep_request").request_sweep(words)
        if arguments is None:
            return SUCCESS
    else:
        arguments = command_parser(name, program).parse_intermixed_args(words)
        COMMANDS[name].check(arguments)
    return _command_module(name).run(arguments) or SUCCESS


def _command_module(name: str) -> Any:
    return importlib.import_module(f"rnn_bench.commands.{name}")

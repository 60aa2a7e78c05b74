"""Composes and checks every run of a command line, before anything slow is imported."""

import argparse
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from rnn_bench.config.composition import Composer, Job, config_folder, register, sweep_composer
from rnn_bench.config.errors import ConfigError, UsageError
from rnn_bench.config.explanation import explain
from rnn_bench.config.hydra_internals import parse_arguments, print_information
from rnn_bench.config.overrides import read_overrides
from rnn_bench.config.parser import user_path
from rnn_bench.sweep.local.forkserver import start_forkserver
from rnn_bench.training.interruption import stopping_at_once

# Hydra's flags that print something and train nothing.
INFORMATION = ("help", "hydra_help", "cfg", "info", "shell_completion")
# Hydra's flags of which one is possible.
MODES = ("run", "multirun", "cfg", "info", "shell_completion")
# Hydra's flags that are not possible here, and what to do instead.
OWN_FOLDER = "Options of your own go into a folder that --config-dir names."
REFUSED = {
    "config_name": OWN_FOLDER,
    "config_path": OWN_FOLDER,
    "experimental_rerun": "The same command line makes the same run.",
}


@dataclass(frozen=True)
class SweepRequest:
    """A command line: its words, its arguments as Hydra takes them, and a checked job for each
    run."""

    words: list[str]
    arguments: argparse.Namespace
    sweep_id: str
    jobs: list[Job]

    @property
    def is_sweep(self) -> bool:
        """Whether the command line has -m or a preset, and so may have several runs."""
        return bool(self.arguments.multirun)


def request_sweep(words: Sequence[str]) -> SweepRequest | None:
    """Return the checked runs of a command line. Return None after a flag of Hydra's that only
    prints something, such as --help or --cfg.

    Raises:
        UsageError: a flag, key or value is not possible.
    """
    arguments = parse_arguments(words)
    arguments.overrides = read_overrides(arguments.overrides)
    check_flags(arguments)
    if any(getattr(arguments, flag) for flag in INFORMATION):
        register()
        try:
            print_information(arguments, config_folder())
        except (HydraException, OmegaConfBaseException, ValueError) as error:
            raise ConfigError(explain(error, arguments.overrides, Composer().loader)) from error
        return None
    with stopping_at_once():
        return _compose(list(words), arguments)


def check_flags(arguments: argparse.Namespace) -> None:
    """Check Hydra's flags of a command line.

    Raises:
        UsageError: one is not possible here, or not together with another.
    """
    for flag, instead in REFUSED.items():
        if getattr(arguments, flag):
            raise UsageError(f"{_written(flag)} is not possible. {instead}")
    given = [_written(flag) for flag in MODES if getattr(arguments, flag)]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} are not possible together: leave one out.")
    for flag in ("resolve", "package"):
        if getattr(arguments, flag) and not arguments.cfg:
            raise UsageError(f"{_written(flag)} belongs to --cfg: give both, or neither.")
    if arguments.config_dir:
        arguments.config_dir = str(user_path(arguments.config_dir))


def _written(flag: str) -> str:
    return f"--{flag.replace('_', '-')}"


def _compose(words: list[str], arguments: argparse.Namespace) -> SweepRequest:
    sweep_id = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
    config_dirs = [arguments.config_dir] if arguments.config_dir else []
    composer = sweep_composer(sweep_id, config_dirs, arguments.overrides)
    arguments.overrides.append(f"sweep_id={sweep_id}")
    if preset := composer.preset(arguments):
        arguments.overrides += preset
        arguments.multirun = True
    jobs = composer.jobs(arguments)
    if jobs[0].packing and not jobs[0].config.plan:
        start_forkserver()  # it imports what runs need while this process does the same
    return SweepRequest(words, arguments, sweep_id, jobs)

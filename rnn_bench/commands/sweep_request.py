"""Composes and checks every run that a command line asks for, before anything slow is imported."""

import argparse
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass

from rnn_bench.config.composition import Job, config_folder, register, sweep_composer
from rnn_bench.config.errors import UsageError
from rnn_bench.config.hydra_internals import parse_arguments, print_what_a_flag_asks_for
from rnn_bench.sweep.local.forkserver import start_forkserver
from rnn_bench.training.interruption import stopping_at_once

# Flags of Hydra's that have no place here, and what to do instead.
REFUSED = {
    "config_name": "Options of your own go into a folder that --config-dir names.",
    "config_path": "Options of your own go into a folder that --config-dir names.",
    "experimental_rerun": "The same command line makes the same run.",
}


@dataclass(frozen=True)
class SweepRequest:
    """What a command line asks for: its words, the same parsed and completed for Hydra, and a
    checked job for each run."""

    words: list[str]
    arguments: argparse.Namespace
    sweep_id: str
    jobs: list[Job]

    @property
    def is_sweep(self) -> bool:
        """Whether there may be several runs: -m, or a preset."""
        return bool(self.arguments.multirun)


def request_sweep(words: Sequence[str]) -> SweepRequest | None:
    """Return what a command line asks for, all of it checked. Return None where that was a flag of
    Hydra's such as --help or --cfg, which is answered here.

    Raises:
        UsageError: what the command line asks for cannot be.
    """
    arguments = parse_arguments(words)
    if _asks_for_information(arguments):
        register()
        print_what_a_flag_asks_for(arguments, config_folder())
        return None
    for flag, instead in REFUSED.items():
        if getattr(arguments, flag):
            raise UsageError(f"--{flag.replace('_', '-')} is not possible. {instead}")
    with stopping_at_once():
        return _composed(list(words), arguments)


def _asks_for_information(arguments: argparse.Namespace) -> bool:
    flags = ("help", "hydra_help", "cfg", "info", "shell_completion")
    return any(getattr(arguments, flag) for flag in flags)


def _composed(words: list[str], arguments: argparse.Namespace) -> SweepRequest:
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

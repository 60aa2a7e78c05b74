"""Wraps every private part of Hydra that the package uses, so that an upgrade of Hydra breaks here
first. `tests/config/test_hydra_internals.py` has a test for each function.
"""

import argparse
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, redirect_stdout
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hydra import version
from hydra._internal import utils as hydra_utils
from hydra._internal.callbacks import Callbacks
from hydra._internal.config_loader_impl import ConfigLoaderImpl, get_overrides_dirname
from hydra._internal.core_plugins import basic_sweeper
from hydra._internal.utils import _run_hydra, create_config_search_path, get_args_parser
from hydra.core.config_loader import ConfigLoader
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.core.utils import JobRuntime, JobStatus, env_override, run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from rnn_bench.config.errors import UsageError
from rnn_bench.config.parser import Parser

PROGRAM = "python -m rnn_bench"
VERSION_BASE = "1.3"  # whose defaults Hydra keeps
RAISING = {"HYDRA_FULL_ERROR": "1"}  # otherwise Hydra prints an error and exits


def parse_arguments(words: Sequence[str]) -> argparse.Namespace:
    """Parse a command line of overrides and of Hydra's own flags, in any order.

    Raises:
        UsageError: a word is neither, or a flag lacks its value.
    """
    with replaced(hydra_utils, "argparse", lambda _: SimpleNamespace(ArgumentParser=Parser)):
        parser = get_args_parser()
    parser.prog = PROGRAM
    arguments, unknown = parser.parse_known_intermixed_args([*words])
    if unknown:
        key, equals, value = unknown[0].lstrip("-").partition("=")
        raise UsageError(
            f"{unknown[0]} is not a flag. Keys are written without dashes: "
            f"{key}={value if equals else '...'}\nWhat there is: {PROGRAM} --help"
        )
    return arguments


def print_information(arguments: argparse.Namespace, folder: Path) -> None:
    """Print what --help, --hydra-help, --cfg, --info or --shell-completion ask Hydra for.

    Raises:
        HydraException, OmegaConfBaseException: the config cannot be composed.
        SystemExit: Hydra ends the process after a help page.
    """
    version.setbase(VERSION_BASE)
    page = io.StringIO()  # Hydra would report a pipe that its reader closed
    try:
        with env_override(RAISING), redirect_stdout(page):
            _run_hydra(arguments, get_args_parser(), _no_task, str(folder), "config")
    except SystemExit as end:  # Hydra's status for what it cannot print is 1
        raise SystemExit(2 if end.code else 0) from None
    finally:
        print(page.getvalue(), end="")


def run_hydra(
    arguments: argparse.Namespace,
    task: TaskFunction,
    folder: Path,
    wanted: Callable[[Sequence[str]], bool] = lambda overrides: True,
) -> None:
    """Run the task for every job of a parsed command line whose overrides are `wanted`. `folder`
    has the YAML files.

    Raises:
        Exception: whatever Hydra, its launcher or the task raises.
    """
    version.setbase(VERSION_BASE)
    with env_override(RAISING), only(wanted):
        _run_hydra(arguments, get_args_parser(), task, str(folder), "config")


def only(wanted: Callable[[Sequence[str]], bool]) -> AbstractContextManager[None]:
    """Leave jobs out of a sweep, and keep Hydra's sweeper from composing the others a second time,
    after the Composer."""

    def choose(sweeper: Any, batch: list[list[str]]) -> None:
        batch[:] = filter(wanted, batch)

    Plugins.instance()  # it executes the sweeper's module again, which makes another class
    return replaced(basic_sweeper.BasicSweeper, "validate_batch_is_legal", lambda _: choose)


@contextmanager
def replaced(owner: Any, name: str, change: Callable[[Any], Any]) -> Iterator[None]:
    """Replace a function of another library by `change(function)` while the block runs."""
    original = getattr(owner, name)
    setattr(owner, name, change(original))
    try:
        yield
    finally:
        setattr(owner, name, original)


def share_registered_schemas() -> None:
    """Keep Hydra from copying every registered schema each time it composes a config, a quarter of
    its time. What it loads from a schema is a copy all the same."""
    setattr(ConfigStore, "__deepcopy__", lambda store, memo: store)  # noqa: B010 - for mypy


def config_loader(folder: Path, config_dirs: Sequence[str]) -> ConfigLoader:
    """Return Hydra's composer of configs. `config_dirs` are the absolute folders of `--config-dir`.

    `hydra.initialize_config_dir` knows no `--config-dir`, and `hydra.compose` composes no sweep.
    """
    search_path = create_config_search_path(str(folder))
    for config_dir in config_dirs:
        search_path.prepend(
            "command-line", f"file://{config_dir}", anchor=SearchPathQuery(provider="schema")
        )
    return ConfigLoaderImpl(search_path)


def split_into_jobs(overrides: Sequence[Override]) -> list[list[str]]:
    """Return the overrides of every job of a sweep, in the order in which Hydra makes them.

    Raises:
        HydraException: the sweep has no list of values, such as an interval.
    """
    return basic_sweeper.BasicSweeper.split_arguments([*overrides], None)[0]


def apply_overrides(overrides: Sequence[Override], config: DictConfig) -> None:
    """Set keys of a composed config in place, as Hydra does after it has merged the YAML files.

    Raises:
        HydraException: there is no such key, or the value has the wrong type.
    """
    ConfigLoaderImpl._apply_overrides_to_config([*overrides], config)


def overrides_dirname(overrides: Sequence[Override], naming: DictConfig) -> str:
    """Return the value of `hydra.job.override_dirname`. `naming` is the config
    `hydra.job.config.override_dirname`."""
    return str(
        get_overrides_dirname([*overrides], naming.exclude_keys, naming.item_sep, naming.kv_sep)
    )


def run_as_hydra_job(
    config: DictConfig, task: TaskFunction, loader: ConfigLoader
) -> BaseException | None:
    """Run the task as Hydra runs a job of a sweep, with its files and callbacks, in a process that
    Hydra has not set up. Return the exception that the task raised, if it did."""
    setup_globals()
    version.setbase(VERSION_BASE)
    JobRuntime.instance().set("name", config.hydra.job.name)
    done = run_job(
        task_function=task,
        config=config,
        job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
        hydra_context=HydraContext(loader, Callbacks(config)),
    )
    # `done.return_value` would print the error before it raises it.
    return done._return_value if done.status is JobStatus.FAILED else None


def _no_task(config: DictConfig) -> None: ...

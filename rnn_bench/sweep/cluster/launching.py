"""A sweep that another launcher than packed carries out, perhaps on other machines."""

import logging
import os
import platform
import re
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.types import Quote, QuotedString

from rnn_bench.config.clusters import Engine
from rnn_bench.config.errors import UsageError
from rnn_bench.config.schema import Config
from rnn_bench.sweep.cluster.jobs import JOBS, replaced
from rnn_bench.tracking.store import SQLITE, store_uri

log = logging.getLogger("rnn_bench")

FOLDER = "RNN_BENCH_FOLDER"  # the working folder of the command, for its jobs
SECRETS = ("PASSWORD", "TOKEN", "SECRET")  # Hydra writes what it carries over into files


def check_store(config: Config, launcher: str) -> None:
    """Raises:
    UsageError: the store is a file, which other machines cannot write to at the same time.
    """
    uri = store_uri(config.tracking)
    if uri.startswith(SQLITE):
        raise UsageError(
            f"hydra/launcher={launcher} trains on other machines, which cannot share the SQLite "
            f"file {uri.removeprefix(SQLITE)}.\nStart an MLflow server, for example\n"
            f"  mlflow server --host 0.0.0.0 --port 5000 --allowed-hosts {platform.node()}:5000 "
            "--backend-store-uri sqlite:///server.db\n"
            f"and name it with tracking.uri=http://{platform.node()}:5000 or $MLFLOW_TRACKING_URI."
        )


def carried_over(config: Config) -> list[str]:
    """Overrides that give the jobs the command's working folder, an absolute output folder, and
    its environment variables of MLflow's and ours."""
    variables = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(("MLFLOW_", "RNN_BENCH_"))
        and not any(secret in name for secret in SECRETS)
    }
    variables[FOLDER] = str(Path.cwd())
    return [
        f"output_dir={quoted(str(Path(config.output_dir).absolute()))}",
        *(f"++hydra.job.env_set.{name}={quoted(value)}" for name, value in variables.items()),
    ]


def quoted(text: str) -> str:
    """A value in Hydra's grammar that is this text, with whatever quotes and dollars in it."""
    uninterpolated = re.sub(r"(\\*)\$\{", lambda match: rf"{2 * match[1]}\${{", text)
    return QuotedString(uninterpolated, Quote.single).with_quotes()


def enter_working_folder() -> None:
    """In a job: go where the command was started, so that relative paths mean the same, and
    modules beside it can be imported.

    Raises:
        UsageError: this machine has no such folder.
    """
    folder = os.environ.get(FOLDER)
    if not folder:
        return
    try:
        os.chdir(folder)
    except OSError as error:
        raise UsageError(
            f"{platform.node()} has no {folder}. All machines of a cluster need to share the "
            "folder that a sweep is started in."
        ) from error
    if folder not in sys.path:
        sys.path.insert(0, folder)


def launch(
    hydra_main: Callable[[], None], launcher: str, engine: Engine | None, show_everything: bool
) -> None:
    """Let Hydra run every job. What a launcher says of jobs that died becomes a line each: which
    runs are answered stands in the record.

    Raises:
        UsageError: as the jobs raise it.
        KeyboardInterrupt: the sweep is interrupted; jobs elsewhere are cancelled.
    """
    jobs = JOBS[engine.name]() if engine else None
    try:
        with jobs.watched() if jobs else nullcontext(), unvalidated():
            hydra_main()
    except UsageError:
        raise
    except Exception as error:
        if show_everything:
            raise
        log.error("hydra/launcher=%s failed. %s", launcher, first_line(error))
    for each in jobs.errors if jobs else []:
        log.error("A job died. %s", first_line(each))


def unvalidated() -> AbstractContextManager[None]:
    """Hydra's sweeper composes every job to see whether that is possible; here it is known."""
    return replaced(BasicSweeper, "validate_batch_is_legal", lambda _: lambda sweeper, batch: None)


def first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')[:300]}"

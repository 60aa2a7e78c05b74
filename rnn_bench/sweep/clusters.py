"""A sweep whose jobs run on other machines: what they are told, and what is made of the dead."""

import importlib
import logging
import os
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from mlflow import MlflowClient

from rnn_bench.config.options import UsageError
from rnn_bench.config.schemas import Config
from rnn_bench.tracking.record import end_row, runs_of
from rnn_bench.tracking.store import SQLITE, store_uri

log = logging.getLogger("rnn_bench")

FOLDER = "RNN_BENCH_FOLDER"  # the working folder of the command, for its jobs
SECRETS = ("PASSWORD", "TOKEN", "SECRET")  # Hydra writes what it carries over into files
# What waits for a job's result, by engine: module, its attribute's owner, the attribute.
RESULTS = {"slurm": ("submitit.core.core", "Job", "results"), "ray": ("ray", None, "get")}


def check_store(config: Config, launcher: str) -> None:
    """Raises:
    UsageError: the store is a file, which other machines cannot write to at the same time.
    """
    uri = store_uri(config.tracking)
    if uri.startswith(SQLITE):
        raise UsageError(
            f"hydra/launcher={launcher} trains on other machines, which cannot share the SQLite "
            f"file {uri.removeprefix(SQLITE)}.\nStart an MLflow server, for example\n"
            "  mlflow server --host 0.0.0.0 --port 5000 --backend-store-uri sqlite:///server.db\n"
            "and name it with tracking.uri=http://THIS_HOST:5000 or $MLFLOW_TRACKING_URI."
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
    escaped = text.replace("'", r"\'").replace("${", r"\${")
    return f"'{escaped}'"


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


def launch(hydra_main: Callable[[], None], engine: str | None, show_everything: bool) -> None:
    """Let Hydra run every job. What a launcher says of jobs that died becomes a line each: which
    runs are answered stands in the record.

    Raises:
        UsageError: as the jobs raise it.
    """
    with collecting(engine) as errors:
        try:
            hydra_main()
        except UsageError:
            raise
        except Exception as error:
            if show_everything:
                raise
            errors.append(error)
    for each in errors:
        line = next(iter(str(each).splitlines()), "")
        log.error("A job died. %s: %s", type(each).__name__, line[:300])


@contextmanager
def collecting(engine: str | None) -> Iterator[list[Exception]]:
    """Wait for every job, and give the errors of those that died.

    Both plugins ask one job after another for its result and end at the first that died: the
    later ones' results are lost, and with Ray those that still wait in its queue. Here a dead
    job has an empty result.
    """
    errors: list[Exception] = []
    if engine is None:
        yield errors
        return
    module, class_name, name = RESULTS[engine]
    owner: Any = importlib.import_module(module)
    owner = getattr(owner, class_name) if class_name else owner
    result = getattr(owner, name)

    def result_or_nothing(*arguments: Any, **named: Any) -> Any:
        try:
            return result(*arguments, **named)
        except Exception as error:
            errors.append(error)
            nothing = JobReturn(status=JobStatus.COMPLETED)
            return [nothing] if engine == "slurm" else nothing

    setattr(owner, name, result_or_nothing)
    try:
        yield errors
    finally:
        setattr(owner, name, result)


def end_rows_of_the_dead(client: MlflowClient, experiment_id: str, sweep_id: str) -> None:
    """Once all jobs have ended: the rows that this sweep's runs left open are failed runs."""
    for run in runs_of(client, experiment_id, sweep_id):
        made_here = run.data.tags[f"sweep.{sweep_id}"] in ("trained", "resumed")
        if made_here and run.info.status == "RUNNING":
            error = "its process died, killed or out of memory"
            end_row(client, run.info.run_id, sweep_id, "failed", error)

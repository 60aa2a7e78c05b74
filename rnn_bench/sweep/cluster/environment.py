"""Gives the jobs on other machines the command's store, working folder and environment."""

import os
import platform
import re
import sys
from pathlib import Path

from hydra.core.override_parser.types import Quote, QuotedString

from rnn_bench.config.errors import UsageError
from rnn_bench.config.schema import Config
from rnn_bench.tracking.store import SQLITE, store_uri

FOLDER = "RNN_BENCH_FOLDER"  # environment variable of jobs: the working folder of the command
SECRETS = ("PASSWORD", "TOKEN", "SECRET")  # Hydra writes the jobs' variables into files


def check_store(config: Config, launcher: str) -> None:
    """Check that runs are recorded on a server, not in a file.

    Raises:
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


def environment_overrides(config: Config) -> list[str]:
    """Return the overrides that give jobs an absolute output folder, the command's working folder,
    and its environment variables for MLflow and rnn_bench, without secrets."""
    variables = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(("MLFLOW_", "RNN_BENCH_"))
        and not any(secret in name for secret in SECRETS)
    }
    variables[FOLDER] = str(Path.cwd())
    return [
        f"output_dir={quote(str(Path(config.output_dir).absolute()))}",
        *(f"++hydra.job.env_set.{name}={quote(value)}" for name, value in variables.items()),
    ]


def quote(text: str) -> str:
    """Return a text with the quotes and escapes that it needs in an override of Hydra's."""
    uninterpolated = re.sub(r"(\\*)\$\{", lambda match: rf"{2 * match[1]}\${{", text)
    return QuotedString(uninterpolated, Quote.single).with_quotes()


def enter_working_folder() -> None:
    """Change a job's working folder to that of the command, and make its modules importable.

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

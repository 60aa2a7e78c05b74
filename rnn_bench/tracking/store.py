"""The MLflow store: where it is, and its first set-up."""

import logging
import os
import sqlite3
from pathlib import Path

from filelock import FileLock
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from rnn_bench.config.errors import UsageError, shorten
from rnn_bench.config.tracking import Tracking
from rnn_bench.tracking.availability import impatient

SQLITE = "sqlite:///"


def store_uri(tracking: Tracking) -> str:
    """The store's address; a SQLite file's is absolute."""
    uri = tracking.uri or os.environ.get("MLFLOW_TRACKING_URI") or f"{SQLITE}mlflow.db"
    if uri.startswith(SQLITE) and uri != SQLITE:
        return SQLITE + str(Path(uri.removeprefix(SQLITE)).absolute())
    return uri


def existing_store(uri: str | None) -> str:
    """The address of the store that a command line names, or the usual one.

    Raises:
        UsageError: it is a SQLite file that is not there.
    """
    store = store_uri(Tracking(uri=uri))
    if store.startswith(SQLITE) and not Path(store.removeprefix(SQLITE)).is_file():
        raise UsageError(
            f"There is no MLflow store {store.removeprefix(SQLITE)}. Name another, or make a sweep "
            "first: python -m rnn_bench -m ..."
        )
    quieten()
    return store


def open_existing(uri: str | None, experiment_name: str) -> tuple[MlflowClient, str]:
    """What `open_store` gives, of a store that is there.

    Raises:
        UsageError: it is not, or cannot be used.
    """
    return open_store(Tracking(existing_store(uri), experiment_name), create=False)


def quieten() -> None:
    """Keep MLflow from writing to the terminal."""
    # A bar of its own for each file would write over the sweep's table.
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    # It says at every start which version its tables have.
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)


def open_store(tracking: Tracking, create: bool = True) -> tuple[MlflowClient, str]:
    """The store's client and the experiment's id; both are made where they are missing.

    Several processes may open a new SQLite file at the same time: MLflow's own first set-up
    would break the file, so it is done by one of them under a lock.

    Raises:
        UsageError: the store cannot be reached or made, or the experiment is deleted, or is missing
            and not to be created.
    """
    uri = store_uri(tracking)
    quieten()
    try:
        if not uri.startswith(SQLITE):
            with impatient():
                return _open(uri, tracking.experiment_name, None, create)
        file = Path(uri.removeprefix(SQLITE))
        file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(file.with_name(f".{file.name}.lock")):
            artifacts = file.parent / "mlruns"
            opened = _open(uri, tracking.experiment_name, artifacts, create)
            with sqlite3.connect(file) as database:
                database.execute("PRAGMA journal_mode=WAL")
            database.close()
            return opened
    except (MlflowException, OSError, sqlite3.Error, SQLAlchemyError) as error:
        reason = shorten(str(error).strip().splitlines()[0], 300)
        raise UsageError(f"The MLflow store {uri} cannot be used: {reason}") from error


def _open(
    uri: str, experiment: str, artifacts: Path | None, create: bool
) -> tuple[MlflowClient, str]:
    client = MlflowClient(uri)
    found = client.get_experiment_by_name(experiment)
    if found is None:
        if not create:
            raise UsageError(f"The MLflow store {uri} has no experiment {experiment}.")
        try:
            location = (artifacts / experiment).as_uri() if artifacts else None
            return client, client.create_experiment(experiment, artifact_location=location)
        except MlflowException:  # another process was faster
            found = client.get_experiment_by_name(experiment)
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":
        raise UsageError(
            f"The MLflow experiment {experiment} is deleted. Choose another with "
            f"tracking.experiment_name=..., or bring it back with: mlflow experiments restore "
            f"-x {found.experiment_id}"
        )
    return client, found.experiment_id

"""The MLflow store: its address, and how it is opened and set up."""

import errno
import logging
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import sqlalchemy
from filelock import FileLock
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.store.db.db_types import DATABASE_ENGINES
from sqlalchemy.exc import SQLAlchemyError

from rnn_bench.config.errors import UsageError, shorten
from rnn_bench.config.tracking import Tracking
from rnn_bench.tracking.availability import short_timeouts
from rnn_bench.tracking.local_files import guard_local_files, refuse_local_files

SQLITE = "sqlite:///"
SERVICES = ("azure.", "botocore.", "google.")  # modules whose errors have no common class
ROOM_BYTES = 2**21  # that a SQLite file needs on its disk: MLflow's tables take half of it


def store_uri(tracking: Tracking) -> str:
    """Return the address of the store to record in; a SQLite file's path is made absolute."""
    uri = tracking.uri or os.environ.get("MLFLOW_TRACKING_URI") or f"{SQLITE}mlflow.db"
    if uri.startswith(SQLITE) and uri != SQLITE:
        return SQLITE + str(Path(uri.removeprefix(SQLITE)).absolute())
    return uri


def connect(uri: str) -> MlflowClient:
    """Return the client of a store, which gives a server no files of this machine."""
    guard_local_files()
    return MlflowClient(uri)


def existing_store(uri: str | None) -> str:
    """Return the address of an existing store; the default one without a `uri`.

    Raises:
        UsageError: it is a SQLite file that does not exist.
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
    """Return the client and the experiment's id of a store that exists.

    Raises:
        UsageError: the store or the experiment does not exist, or cannot be used.
    """
    return open_store(Tracking(existing_store(uri), experiment_name), create=False)


def quieten() -> None:
    """Keep MLflow from writing to the terminal."""
    # A progress bar for each file would write over the sweep's table.
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    # At every start it logs which version its tables have; and at every call, while a database
    # cannot be used, a traceback of the error that it raises too.
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def open_store(tracking: Tracking, create: bool = True) -> tuple[MlflowClient, str]:
    """Return the client and the experiment's id of a store; `create` both where they are missing.

    Several processes may open a new SQLite file at once. MLflow's set-up by two of them would
    break the file, so that one of them does it under a lock.

    Raises:
        UsageError: the store cannot be reached or made, or the experiment is deleted, or missing
            and not to be created; or it is a server that keeps artifacts in this machine's files.
    """
    uri = store_uri(tracking)
    quieten()
    try:
        if not uri.startswith(SQLITE):
            _check_database(uri)
            with short_timeouts():
                return _open(uri, tracking.experiment_name, None, create)
        file = Path(uri.removeprefix(SQLITE))
        file.parent.mkdir(parents=True, exist_ok=True)
        if create:
            _check_file(file)
        with FileLock(file.with_name(f".{file.name}.lock")):
            with closing(sqlite3.connect(file)) as database:
                database.execute("PRAGMA journal_mode=WAL")
            return _open(uri, tracking.experiment_name, file.parent / "mlruns", create)
    except (ImportError, MlflowException, OSError, sqlite3.Error, SQLAlchemyError) as error:
        known = error.strerror if isinstance(error, OSError) else None
        reason = shorten((known or str(error)).strip().splitlines()[0], 300)
        raise UsageError(
            f"The MLflow store {uri} cannot be used: {reason.rstrip('.')}. "
            "Mend that, or choose another store (tracking.uri=... or --tracking-uri)."
        ) from error


@contextmanager
def store_errors(uri: str) -> Iterator[None]:
    """Name a store that was opened and cannot do what the block asks of it, within seconds.

    Raises:
        UsageError: MLflow raised an error, or files, the database or the service of its artifacts
            did.
    """
    try:
        with short_timeouts():
            yield
    except Exception as error:
        known = ImportError | MlflowException | OSError | SQLAlchemyError
        if not (isinstance(error, known) or type(error).__module__.startswith(SERVICES)):
            raise
        reason = shorten((str(error).strip() or type(error).__name__).splitlines()[0], 300)
        raise UsageError(f"In the MLflow store {uri}: {reason}") from error


def _check_file(file: Path) -> None:
    """Check that a SQLite file can be written and has room on its disk. MLflow and the file lock
    would try again for minutes.

    Raises:
        OSError: it cannot, or has none.
    """
    # Not by opening it: to close it would free the locks that SQLite has on it in this process.
    if file.is_dir() or (file.exists() and not os.access(file, os.W_OK)):
        number = errno.EISDIR if file.is_dir() else errno.EACCES
        raise OSError(number, os.strerror(number), str(file))
    with tempfile.TemporaryFile(dir=file.parent) as room:
        room.write(bytes(ROOM_BYTES))


def _check_database(uri: str) -> None:
    """Check that a database server answers, if this is its address: MLflow would try it ten times.

    Raises:
        ImportError: the package that talks to it is not installed.
        SQLAlchemyError: it does not answer.
    """
    if uri.startswith(tuple(DATABASE_ENGINES)):
        engine = sqlalchemy.create_engine(uri)
        engine.connect().close()
        engine.dispose()


def _open(
    uri: str, experiment: str, artifacts: Path | None, create: bool
) -> tuple[MlflowClient, str]:
    client = connect(uri)
    found = client.get_experiment_by_name(experiment)
    if found is None:
        if not create:
            raise UsageError(f"The MLflow store {uri} has no experiment {experiment}.")
        try:
            location = (artifacts / experiment).as_uri() if artifacts else None
            client.create_experiment(experiment, artifact_location=location)
        except MlflowException:  # another process has created it meanwhile
            if client.get_experiment_by_name(experiment) is None:
                raise
        found = client.get_experiment_by_name(experiment)
        assert found
    if found.lifecycle_stage == "deleted":
        raise UsageError(
            f"The MLflow experiment {experiment} is deleted. Choose another with "
            f"tracking.experiment_name=..., or bring it back with: mlflow experiments restore "
            f"-x {found.experiment_id}"
        )
    refuse_local_files(str(found.artifact_location), uri)
    return client, found.experiment_id

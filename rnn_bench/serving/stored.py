"""From what a user calls a model to the folder that it lies in."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow.artifacts
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from rnn_bench.config.errors import UsageError
from rnn_bench.tracking import schema
from rnn_bench.tracking.availability import short_timeouts
from rnn_bench.tracking.liveness import is_alive
from rnn_bench.tracking.model_folder import SETTINGS


def model_folder(name: str, store: str, downloads: Path) -> Path:
    """The folder of the model that a run's id, a model URI or a local folder names; one that is
    not on this machine is brought to `downloads`.

    Raises:
        UsageError: there is no such model, or it is not one that a run of rnn_bench has left.
    """
    if Path(name).is_dir():
        folder = Path(name)
    else:
        with asked_of(store), short_timeouts():
            is_uri = ":" in name
            if not is_uri:
                check_run(MlflowClient(store), name)
            uri = name if is_uri else f"runs:/{name}/{schema.MODEL_FOLDER}"
            found = mlflow.artifacts.download_artifacts(
                artifact_uri=uri, dst_path=str(downloads), tracking_uri=store
            )
            folder = Path(found)
    if not (folder / SETTINGS).is_file():
        raise UsageError(f"{name} is not the model of a run: it has no file {SETTINGS}.")
    return folder


@contextmanager
def asked_of(store: str) -> Iterator[None]:
    """MLflow asks this store and its registry.

    Raises:
        UsageError: it cannot be asked, or lacks what it is asked for.
    """
    before = os.environ.get("MLFLOW_TRACKING_URI")
    os.environ["MLFLOW_TRACKING_URI"] = store
    try:
        yield
    except (MlflowException, OSError, SQLAlchemyError) as error:
        reason = str(error).strip().splitlines()[0][:300]
        raise UsageError(f"In the MLflow store {store}: {reason}") from error
    finally:
        if before is None:
            del os.environ["MLFLOW_TRACKING_URI"]
        else:
            os.environ["MLFLOW_TRACKING_URI"] = before


def check_run(client: MlflowClient, run_id: str) -> None:
    """
    Raises:
        UsageError: the run has left no model.
        MlflowException: there is no such run.
    """
    run = client.get_run(run_id)
    if run.info.status != "FINISHED":
        state = run.data.tags.get("outcome", "not finished")
        if run.info.status == "RUNNING":
            state = "still training" if is_alive(run) else "not finished"
        raise UsageError(f"Run {run_id} ({run.info.run_name}) has no model: it is {state}.")
    if schema.MODEL_FOLDER not in {item.path for item in client.list_artifacts(run_id)}:
        raise UsageError(
            f"Run {run_id} ({run.info.run_name}) has no model in the record. "
            "Train it again with rerun=true."
        )

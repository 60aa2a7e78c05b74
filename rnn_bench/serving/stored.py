"""Finding the model that a user names: a run's id, a model URI or a folder."""

import os
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow.artifacts
from mlflow import MlflowClient

from rnn_bench.config.errors import UsageError
from rnn_bench.serving.classifier import TextClassifier
from rnn_bench.serving.trust import Untrusted
from rnn_bench.tracking import schema
from rnn_bench.tracking.liveness import is_alive
from rnn_bench.tracking.model_folder import SETTINGS
from rnn_bench.tracking.store import connect, existing_store, store_errors

MODEL_URIS = ("runs:/", "models:/")


def load_classifier(
    name: str, tracking_uri: str | None, trusted: Collection[str] = ()
) -> TextClassifier:
    """Load the model that a run's id, a model URI or a folder names.

    Args:
        tracking_uri: MLflow's store; None is the usual one. A folder needs none.
        trusted: modules of the user's own, whose classes the model may be made of.

    Raises:
        UsageError: there is no such model, or it is not one of a run of rnn_bench.
    """
    if Path(name).is_dir():
        return load_folder(Path(name), name, trusted)
    is_uri = ":" in name
    if is_uri and not name.startswith(MODEL_URIS):
        raise UsageError(
            f"{name} is not a model URI: it must begin with {' or '.join(MODEL_URIS)}. "
            "A folder is named by its path, a run by its id."
        )
    store = existing_store(tracking_uri)
    client = connect(store)
    with tempfile.TemporaryDirectory() as downloads, selected_store(store):
        if not is_uri:
            require_model(client, name)
        uri = name if is_uri else f"runs:/{name}/{schema.MODEL_FOLDER}"
        # The folder of the artifacts themselves, where they are on this machine.
        folder = mlflow.artifacts.download_artifacts(
            artifact_uri=uri, dst_path=downloads, tracking_uri=store
        )
        return load_folder(Path(folder), name, trusted)


def load_folder(folder: Path, name: str, trusted: Collection[str]) -> TextClassifier:
    """Load the model in a folder that the user calls `name`.

    Raises:
        UsageError: it is not the model of a run, or cannot be used.
    """
    if not (folder / SETTINGS).is_file():
        raise UsageError(f"{name} is not the model of a run: it has no file {SETTINGS}.")
    try:
        return TextClassifier.load(folder, trusted)
    except Untrusted as error:
        raise UsageError(f"The model of {name} {error}") from error
    except UsageError as error:
        raise UsageError(
            f"The model of {name} cannot be used: {error}\n"
            "Train its run again with rerun=true, or copy the folder again."
        ) from error


@contextmanager
def selected_store(store: str) -> Iterator[None]:
    """Make MLflow use a store, and its model registry, for URIs.

    Raises:
        UsageError: MLflow raised an error in the block, or files or the database did.
    """
    before = os.environ.get("MLFLOW_TRACKING_URI")
    os.environ["MLFLOW_TRACKING_URI"] = store
    try:
        with store_errors(store):
            yield
    finally:
        if before is None:
            del os.environ["MLFLOW_TRACKING_URI"]
        else:
            os.environ["MLFLOW_TRACKING_URI"] = before


def require_model(client: MlflowClient, run_id: str) -> None:
    """Check that a run is finished and has a model.

    Raises:
        UsageError: it is not, or has none.
        MlflowException: there is no such run.
    """
    run = client.get_run(run_id)
    if run.info.status != "FINISHED":
        state = run.data.tags.get(schema.OUTCOME, "not finished")
        if run.info.status == "RUNNING":
            state = "still training" if is_alive(run) else "not finished"
        raise UsageError(f"Run {run_id} ({run.info.run_name}) has no model: it is {state}.")
    if schema.MODEL_FOLDER not in {item.path for item in client.list_artifacts(run_id)}:
        raise UsageError(
            f"Run {run_id} ({run.info.run_name}) has no model in the record. "
            "Train it again with rerun=true."
        )

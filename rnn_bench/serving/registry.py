"""Registering the best run of a sweep in MLflow's model registry."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from rnn_bench.config.errors import UsageError
from rnn_bench.tracking import schema
from rnn_bench.tracking.recorded_run import RecordedRun
from rnn_bench.tracking.sweeps import read_sweep

ALIAS = "champion"


@dataclass(frozen=True)
class BestRun:
    """The run with the lowest validation loss of the weights that were tested, among
    `candidates` finished runs of a sweep on one corpus."""

    run: RecordedRun
    candidates: int


def best_run(
    client: MlflowClient, experiment_id: str, sweep_id: str, dataset: str | None
) -> BestRun:
    """Choose the best run of a sweep by validation loss alone: test articles that chose a model
    could not judge it any more.

    Raises:
        UsageError: there is no such sweep, it has no finished run, or several corpora and
            `dataset` does not say which.
    """
    sweep = read_sweep(client, experiment_id, sweep_id)
    finished = [run for run in sweep.runs if run.state == schema.FINISHED]
    if not finished:
        raise UsageError(f"Sweep {sweep_id} has no finished run.")
    corpora = sorted({run.tags[schema.DATASET] for run in finished})
    if dataset is None and len(corpora) > 1:
        raise UsageError(
            f"Sweep {sweep_id} has several corpora, whose losses cannot be compared. "
            f"Name one with --dataset: {', '.join(corpora)}."
        )
    runs = [run for run in finished if run.tags[schema.DATASET] == (dataset or corpora[0])]
    if not runs:
        raise UsageError(
            f"Sweep {sweep_id} has no finished run on {dataset}. It has: {', '.join(corpora)}."
        )
    return BestRun(min(runs, key=_loss_nan_last), len(runs))


def _loss_nan_last(run: RecordedRun) -> float:
    loss = run.evaluated_val_loss
    return math.inf if math.isnan(loss) else loss


def register(client: MlflowClient, run: RecordedRun, name: str) -> tuple[str, bool]:
    """Make a run's model the champion of a registered model. It becomes a new version of it,
    unless it is one already.

    Returns:
        The version, and whether it is new.

    Raises:
        MlflowException: the store refuses the name, or cannot be reached.
    """
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    version = _version_of(client, run.id, name)
    if is_new := version is None:
        source = f"{run.row.info.artifact_uri}/{schema.MODEL_FOLDER}"
        version = client.create_model_version(name, source, run.id).version
    client.set_registered_model_alias(name, ALIAS, version)
    return str(version), is_new


def _version_of(client: MlflowClient, run_id: str, name: str) -> str | None:
    """Return the version of a registered model that was made from a run; None if there is none."""
    versions: Sequence[ModelVersion] = client.search_model_versions(f"run_id = '{run_id}'")
    return next((str(each.version) for each in versions if each.name == name), None)

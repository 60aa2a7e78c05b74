"""Registering the best run of a sweep in MLflow's model registry."""

import math

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from rnn_bench.config.errors import UsageError
from rnn_bench.tracking import schema
from rnn_bench.tracking.recorded_run import RecordedRun
from rnn_bench.tracking.sweeps import read_sweep

ALIAS = "champion"


def best_run(
    client: MlflowClient, experiment_id: str, sweep_id: str, dataset: str | None
) -> tuple[RecordedRun, int]:
    """Return the finished run of a sweep with the lowest validation loss of its tested weights, and
    how many runs on its corpus it was chosen from. It may be one that did not learn.

    Test articles that chose a model could not judge it any more.

    Raises:
        UsageError: there is no such sweep, it has no finished run, or several corpora and
            `dataset` does not say which.
    """
    sweep = read_sweep(client, experiment_id, sweep_id)
    finished = [run for run in sweep.completed if run.state != schema.DIVERGED]
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
    losses = [
        math.inf if math.isnan(run.evaluated_val_loss) else run.evaluated_val_loss for run in runs
    ]
    return runs[losses.index(min(losses))], len(runs)


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
    made_from_run = client.search_model_versions(f"run_id = '{run.id}'")
    versions = [each.version for each in made_from_run if each.name == name]
    if is_new := not versions:
        source = f"{run.row.info.artifact_uri}/{schema.MODEL_FOLDER}"
        versions = [client.create_model_version(name, source, run.id).version]
    client.set_registered_model_alias(name, ALIAS, versions[0])
    return str(versions[0]), is_new

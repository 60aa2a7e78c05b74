"""The best run of a sweep in MLflow's model registry."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from rnn_bench.config.errors import UsageError
from rnn_bench.tracking import schema
from rnn_bench.tracking.sweeps import last_attempts, runs_of

ALIAS = "champion"


@dataclass(frozen=True)
class Best:
    """The run of a sweep with the lowest validation loss (in nats) of the weights that were
    tested, among `candidates` finished runs of one corpus."""

    run: Run
    val_loss: float
    epoch: int
    candidates: int


def latest_sweep_on(client: MlflowClient, experiment_id: str, dataset: str) -> str:
    """The id of the sweep that began last of those that trained on a corpus.

    Raises:
        UsageError: none has a finished run on it.
    """
    finished = f"tags.dataset = \"{dataset}\" AND tags.outcome = 'finished'"
    newest = client.search_runs([experiment_id], finished, max_results=1)
    if not newest:
        raise UsageError(f"The record has no finished run on {dataset}.")
    return str(newest[0].data.tags["sweep_id"])


def best_run(client: MlflowClient, experiment_id: str, sweep_id: str, dataset: str | None) -> Best:
    """Chosen by validation alone: test articles must not choose what they are to judge.

    Raises:
        UsageError: there is no such sweep, it has no finished run, or several corpora and
            `dataset` does not say which.
    """
    rows = last_attempts(runs_of(client, experiment_id, sweep_id))
    finished = [run for run in rows if run.data.tags.get("outcome") == "finished"]
    if not rows:
        raise UsageError(f"The record has no sweep {sweep_id}. --sweep latest takes the newest.")
    if not finished:
        raise UsageError(f"Sweep {sweep_id} has no finished run.")
    corpora = sorted({run.data.tags["dataset"] for run in finished})
    if dataset is None and len(corpora) > 1:
        raise UsageError(
            f"Sweep {sweep_id} has several corpora, whose losses cannot be compared. "
            f"Name one with --dataset: {', '.join(corpora)}."
        )
    runs = [run for run in finished if run.data.tags["dataset"] == (dataset or corpora[0])]
    if not runs:
        raise UsageError(
            f"Sweep {sweep_id} has no finished run on {dataset}. It has: {', '.join(corpora)}."
        )
    losses = [validation_loss(client, run) for run in runs]
    place = min(range(len(runs)), key=lambda i: (math.isnan(losses[i][0]), losses[i][0]))
    return Best(runs[place], *losses[place], len(runs))


def validation_loss(client: MlflowClient, run: Run) -> tuple[float, int]:
    """The validation loss of the epoch whose weights were tested, and that epoch."""
    history = client.get_metric_history(run.info.run_id, "val_loss")
    losses = {metric.step: metric.value for metric in history}
    last = run.data.params["protocol.evaluated_weights"] == "last"
    epoch = max(losses) if last else int(run.data.metrics["best_epoch"])
    return losses[epoch], epoch


def register(client: MlflowClient, run: Run, name: str) -> tuple[str, bool]:
    """Make the run's model the champion of a registered model, as a new version of it unless it
    is one already.

    Returns:
        the version, and whether it is new.

    Raises:
        MlflowException: the store refuses the name, or cannot be reached.
    """
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    run_id = run.info.run_id
    version = version_of(client, run_id, name)
    if new := version is None:
        source = f"{run.info.artifact_uri}/{schema.MODEL_FOLDER}"
        version = client.create_model_version(name, source, run_id).version
    client.set_registered_model_alias(name, ALIAS, version)
    return str(version), new


def version_of(client: MlflowClient, run_id: str, name: str) -> str | None:
    """The version of a registered model that is the run's."""
    versions: Sequence[ModelVersion] = client.search_model_versions(f"run_id = '{run_id}'")
    return next((str(each.version) for each in versions if each.name == name), None)

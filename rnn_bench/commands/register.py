"""The command `register`: put the best run of a sweep into MLflow's model registry."""

import argparse

from mlflow import MlflowClient

from rnn_bench.serving.registry import ALIAS, best_run, latest_sweep_on
from rnn_bench.serving.registry import register as registered
from rnn_bench.serving.stored import asked_of, check_run
from rnn_bench.tracking import schema
from rnn_bench.tracking.availability import impatient
from rnn_bench.tracking.store import open_existing
from rnn_bench.tracking.sweeps import latest_sweep


def run(arguments: argparse.Namespace) -> None:
    """Register the best run of a sweep, and print which it is.

    Raises:
        UsageError: there is no such sweep, or the store does not take it.
    """
    client, experiment_id = open_existing(arguments.tracking_uri, arguments.experiment_name)
    name = arguments.name
    with asked_of(str(client.tracking_uri)), impatient():
        sweep_id = _chosen_sweep(arguments, client, experiment_id)
        best = best_run(client, experiment_id, sweep_id, arguments.dataset)
        run, tags = best.run, best.run.data.tags
        check_run(client, run.info.run_id)
        version, is_new = registered(client, run, name)
    print(
        f"Of {best.candidates} finished runs of sweep {sweep_id} on {tags[schema.DATASET]}, "
        f"{run.info.run_name} has the lowest validation loss: {best.val_loss:.4f}, "
        f"after epoch {best.epoch}.\n"
        f"Run {run.info.run_id} is {'now' if is_new else 'already'} version {version} of {name}, "
        f"and its {ALIAS}.\n"
        f"Use it: python -m rnn_bench.serving predict models:/{name}@{ALIAS} TEXT"
    )


def _chosen_sweep(arguments: argparse.Namespace, client: MlflowClient, experiment_id: str) -> str:
    if arguments.sweep != "latest":
        return str(arguments.sweep)
    if arguments.dataset:
        return latest_sweep_on(client, experiment_id, arguments.dataset)
    return latest_sweep(client, experiment_id)

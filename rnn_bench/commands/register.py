"""The command `register`: put the best run of a sweep into MLflow's model registry."""

import argparse

from rnn_bench.serving.registry import ALIAS, best_run, register
from rnn_bench.serving.stored import require_model, selected_store
from rnn_bench.tracking import schema
from rnn_bench.tracking.store import open_existing
from rnn_bench.tracking.sweeps import latest_sweep, latest_sweep_on

UNLEARNED = "It did not learn: no better than a constant answer on the validation articles.\n"


def run(arguments: argparse.Namespace) -> None:
    """Register the best run of a sweep, and print which it is.

    Raises:
        UsageError: there is no such sweep or model, or the store refuses the model.
    """
    client, experiment_id = open_existing(arguments.tracking_uri, arguments.experiment_name)
    name, sweep_id = arguments.name, arguments.sweep
    with selected_store(str(client.tracking_uri)):
        if sweep_id == "latest" and arguments.dataset:
            sweep_id = latest_sweep_on(client, experiment_id, arguments.dataset)
        elif sweep_id == "latest":
            sweep_id = latest_sweep(client, experiment_id)
        run, candidates = best_run(client, experiment_id, sweep_id, arguments.dataset)
        require_model(client, run.id)
        version, is_new = register(client, run, name)
    print(
        f"Of {candidates} finished runs of sweep {sweep_id} on {run.tags[schema.DATASET]}, "
        f"{run.name} has the lowest validation loss: {run.evaluated_val_loss:.4f}, "
        f"after epoch {run.evaluated_epoch}.\n"
        f"{UNLEARNED if run.state == schema.UNLEARNED else ''}"
        f"Run {run.id} is {'now' if is_new else 'already'} version {version} of {name}, "
        f"and its {ALIAS}.\n"
        f"Use it: python -m rnn_bench.serving predict models:/{name}@{ALIAS} TEXT"
    )

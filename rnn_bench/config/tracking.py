"""The keys of `tracking`: where runs are recorded."""

from dataclasses import dataclass

from rnn_bench.config.options import Option, key


@dataclass
class Tracking(Option):
    """Where runs are recorded."""

    group = "tracking"
    uri: str | None = key(
        None, "MLflow store; empty: $MLFLOW_TRACKING_URI, else mlflow.db in the working folder"
    )
    experiment_name: str = key("rnn-bench", "MLflow experiment")

"""One run in MLflow: a row that begins with its settings and ends with its outcome."""

import json
import logging
import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Param
from mlflow.exceptions import MlflowException

from rnn_bench.config.errors import describe
from rnn_bench.config.options import name_of
from rnn_bench.config.schema import Config
from rnn_bench.data.encoding import EncodedCorpus
from rnn_bench.tracking.outbox import Message, Outbox, clear
from rnn_bench.tracking.run_key import config_key, run_key, settings
from rnn_bench.training.epochs import EpochResult

log = logging.getLogger(__name__)

VERSIONS = ("rnn_bench", "torch", "numpy", "scikit-learn", "mlflow", "hydra-core")
LONGEST_PARAMETER = 6000  # characters; MLflow cuts longer ones


class Withdrawn(Exception):
    """Another process answers the same question and goes on with it."""


class Duplicate(Withdrawn):
    """It is older, and the row of this one is deleted."""


class Record:
    """The MLflow row of a run that is going on."""

    def __init__(self, outbox: Outbox, recorded_epochs: set[int]) -> None:
        self.outbox, self.recorded_epochs = outbox, recorded_epochs

    def epoch(self, result: EpochResult) -> None:
        """Record an epoch that the row lacks."""
        if result.epoch in self.recorded_epochs:
            return
        values = {
            "train_loss": result.train_loss,
            "val_loss": result.val_loss,
            "val_accuracy": result.val_accuracy,
            "epoch_seconds": result.seconds,
        }
        metrics = [(name, value, result.ended_ms, result.epoch) for name, value in values.items()]
        self.outbox.send(Message(metrics))

    def tags(self, values: Mapping[str, object]) -> None:
        known = {name: str(value) for name, value in values.items() if value is not None}
        self.outbox.send(Message(tags=known))

    def finish(self, values: Mapping[str, float], outcome: str) -> None:
        """Record the metrics of the end, the files in the artifact folder, and the outcome."""
        now = now_ms()
        metrics = [(name, float(value), now, 0) for name, value in values.items()]
        end = Message(metrics, {"outcome": outcome}, True, status="FINISHED", ended_ms=now)
        self.outbox.send(end, now=True)
        if not self.outbox.waiting:
            clear(self.outbox.folder)


@contextmanager
def recorded(client: MlflowClient, run_id: str, sweep_id: str, folder: Path) -> Iterator[Record]:
    """The record of a run in its row. If the block raises, the row ends as FAILED with the error;
    as KILLED if it is interrupted.

    `folder` is the run's own, where what MLflow does not take waits.
    """
    folder.mkdir(parents=True, exist_ok=True)
    known = {metric.step for metric in client.get_metric_history(run_id, "train_loss")}
    record = Record(Outbox(client, run_id, folder), known)
    try:
        yield record
    except Withdrawn:  # the row is another process's, or deleted
        raise
    except BaseException as error:
        outcome = "failed" if isinstance(error, Exception) else "killed"
        try:
            record.outbox.send(end_message(sweep_id, outcome, describe(error)), now=True)
        except Exception as problem:  # must not hide the error that ends the run
            log.warning("The end of run %s could not be recorded: %s", run_id, problem)
        raise


def new_row(
    client: MlflowClient,
    experiment_id: str,
    name: str,
    config: Config,
    corpus: EncodedCorpus,
    more: Mapping[str, str] | None = None,
) -> str:
    """Begin a run's row, with its tags and `more`, parameters and dataset; returns its id."""
    all_tags = {
        "dataset": name_of(config.dataset),
        "model": name_of(config.model),
        "optimizer": name_of(config.optimizer),
        "protocol": config.protocol.name,
        "seed": config.seed,
        "run_key": run_key(config, corpus.content.fingerprint),
        "config_key": config_key(config, corpus.content.fingerprint),
        "sweep_id": config.sweep_id,
        f"sweep.{config.sweep_id}": "trained",
        "data_edition": corpus.content.edition,
        "host": platform.node(),
        "version.python": platform.python_version(),
        **{f"version.{package}": version(package) for package in VERSIONS},
        **(more or {}),
    }
    tags = {tag: str(value) for tag, value in all_tags.items()}
    run_id = str(client.create_run(experiment_id, run_name=name, tags=tags).info.run_id)
    fill_row(client, run_id, config, corpus)
    return run_id


def fill_row(client: MlflowClient, run_id: str, config: Config, corpus: EncodedCorpus) -> None:
    """Record a run's parameters and dataset in its row."""
    parameters = [
        Param(key, str(value)[:LONGEST_PARAMETER]) for key, value in settings(config).items()
    ]
    client.log_batch(run_id, params=parameters)
    inputs = [_dataset(corpus)]
    try:
        client.log_inputs(run_id, inputs)
    except MlflowException:  # MLflow fails if another run records the same new dataset meanwhile
        client.log_inputs(run_id, inputs)


def end_row(client: MlflowClient, run_id: str, sweep_id: str, outcome: str, error: str) -> None:
    """End a row whose run is failed or killed, for this reason."""
    end_message(sweep_id, outcome, error).deliver(client, run_id, Path())


def end_message(sweep_id: str, outcome: str, error: str) -> Message:
    tags = {"outcome": outcome, f"sweep.{sweep_id}": "failed", "error": error}
    return Message(tags=tags, status=outcome.upper(), ended_ms=now_ms())


def now_ms() -> int:
    return int(time.time() * 1000)


def _dataset(corpus: EncodedCorpus) -> DatasetInput:
    splits = {name: len(getattr(corpus, name)) for name in ("train", "validation", "test")}
    dataset = Dataset(
        name=corpus.name,
        digest=corpus.content.fingerprint[:32],
        source_type="local",
        source=json.dumps({"edition": corpus.content.edition}),
        profile=json.dumps({"articles": splits, "classes": corpus.classes}),
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])

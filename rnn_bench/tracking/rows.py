"""The MLflow row of a run, from its settings to its outcome."""

import json
import logging
import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Param
from mlflow.exceptions import MlflowException

from rnn_bench.config.errors import UsageError, describe
from rnn_bench.config.options import entry, name_of
from rnn_bench.config.schema import Config
from rnn_bench.data.encoding import EncodedCorpus
from rnn_bench.evaluation.metrics import metric_versions
from rnn_bench.models.baselines.baseline import is_baseline
from rnn_bench.tracking import schema
from rnn_bench.tracking.availability import unreachable
from rnn_bench.tracking.outbox import Message, Outbox, clear_run_folder
from rnn_bench.tracking.run_key import cut_name, question_tags, settings
from rnn_bench.training.epochs import EpochResult

log = logging.getLogger(__name__)

VERSIONS = ("rnn_bench", "torch", "numpy", "scikit-learn", "mlflow", "hydra-core")
# Characters; MLflow cuts longer parameters, and refuses longer names of datasets.
LONGEST_PARAMETER, LONGEST_DATASET = 6000, 500


class Withdrawn(Exception):
    """Another process trains the run, so this process must stop training it."""


class Duplicate(Withdrawn):
    """The other process has an older row of the run, and this one's row is deleted."""


class Record:
    """Records a run in training in its MLflow row."""

    def __init__(self, outbox: Outbox, recorded_epochs: set[int]) -> None:
        self.outbox, self.recorded_epochs = outbox, recorded_epochs

    def add_epoch(self, result: EpochResult) -> None:
        """Record an epoch, unless the row has it."""
        if result.epoch in self.recorded_epochs:
            return
        values = {
            schema.TRAIN_LOSS: result.train_loss,
            schema.VAL_LOSS: result.val_loss,
            schema.VAL_ACCURACY: result.val_accuracy,
            schema.VAL_MACRO_F1: result.val_macro_f1,
            schema.EPOCH_SECONDS: result.seconds,
        }
        metrics = [(name, value, result.ended_ms, result.epoch) for name, value in values.items()]
        self.outbox.send(Message(metrics))

    def add_tags(self, values: Mapping[str, object]) -> None:
        """Record tags, without those whose value is None."""
        self.outbox.send(Message(tags=known_tags(values)))

    def finish(self, values: Mapping[str, float], tags: Mapping[str, object], outcome: str) -> None:
        """Record the final metrics and tags, the artifact folder and the outcome, and delete the
        run's checkpoints once MLflow has all of it."""
        now = now_ms()
        metrics = [(name, float(value), now, 0) for name, value in values.items()]
        all_tags = known_tags({**tags, schema.OUTCOME: outcome})
        end = Message(metrics, all_tags, True, status="FINISHED", ended_ms=now)
        self.outbox.send(end, now=True)
        if not self.outbox.waiting:
            clear_run_folder(self.outbox.folder)


@contextmanager
def run_record(client: MlflowClient, run_id: str, sweep_id: str, folder: Path) -> Iterator[Record]:
    """Hold the record of a run. If the block raises, the row ends as FAILED with the error, or as
    KILLED by an interruption; if it raises Withdrawn, the row stays as it is.

    `folder` is the run's own. It keeps what MLflow does not take while it cannot be reached.
    """
    folder.mkdir(parents=True, exist_ok=True)
    known = {metric.step for metric in client.get_metric_history(run_id, schema.TRAIN_LOSS)}
    record = Record(Outbox(client, run_id, folder), known)
    try:
        yield record
    except Withdrawn:
        raise
    except BaseException as error:
        outcome = schema.FAILED if isinstance(error, Exception) else schema.KILLED
        try:
            record.outbox.send(end_message(sweep_id, outcome, describe(error)), now=True)
        except Exception as problem:  # it must not hide the error that ends the run
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
    """Begin the row of a run with its tags, `more` tags, parameters and dataset.

    Returns:
        the row's MLflow run id.
    """
    ceiling = corpus.content.ceiling
    all_tags = {
        schema.DATASET: name_of(config.dataset),
        schema.MODEL: name_of(config.model),
        schema.KIND: schema.BASELINE if is_baseline(config.model) else schema.NETWORK,
        schema.OPTIMIZER: name_of(config.optimizer),
        schema.PROTOCOL: config.protocol.name,
        schema.SEED: config.seed,
        **question_tags(config, corpus.content.fingerprint),
        schema.METRIC_VERSIONS: metric_versions(),
        schema.SWEEP_ID: config.sweep_id,
        f"{schema.SWEEP}{config.sweep_id}": schema.TRAINED,
        schema.DATA_EDITION: corpus.content.edition,
        **({} if ceiling is None else {schema.CEILING: ceiling}),
        **published_tag(config),
        **({} if config.evaluation.test else {schema.TEST: schema.UNREAD}),
        schema.HOST: platform.node(),
        f"{schema.VERSION}python": platform.python_version(),
        **{f"{schema.VERSION}{name}": number for name, number in package_versions().items()},
        **(more or {}),
    }
    tags = {tag: str(value) for tag, value in all_tags.items()}
    run_id = str(client.create_run(experiment_id, run_name=name, tags=tags).info.run_id)
    fill_row(client, run_id, config, corpus)
    return run_id


def known_tags(values: Mapping[str, object]) -> dict[str, str]:
    """Return values as MLflow's tags, without those that are None."""
    return {name: str(value) for name, value in values.items() if value is not None}


def package_versions() -> dict[str, str]:
    """Return the versions of the packages that compute a result, by package.

    Raises:
        UsageError: this package is a source tree that was never installed.
    """
    try:
        return {package: version(package) for package in VERSIONS}
    except PackageNotFoundError as missing:
        raise UsageError(
            f"{missing.name} is not installed here, so that no run can record its version. In the "
            "folder of rnn_bench: make setup, or pip install -e ."
        ) from None


def published_tag(config: Config) -> dict[str, str]:
    """Return the tag with the published accuracies of the config's corpus, if there are any."""
    published = [asdict(each) for each in entry(config.dataset, "published") or []]
    return {schema.PUBLISHED: json.dumps(published)} if published else {}


def fill_row(client: MlflowClient, run_id: str, config: Config, corpus: EncodedCorpus) -> None:
    """Record the parameters and the dataset of a run in its row. If MLflow refuses them, the row
    ends as failed."""
    parameters = [
        Param(key, str(value)[:LONGEST_PARAMETER]) for key, value in settings(config).items()
    ]
    inputs = [_dataset(corpus)]
    try:
        client.log_batch(run_id, params=parameters)
        try:
            client.log_inputs(run_id, inputs)
        except MlflowException:  # MLflow fails if another run records the same new dataset at once
            client.log_inputs(run_id, inputs)
    except Exception as error:
        if not unreachable(error):
            end_row(client, run_id, config.sweep_id, schema.FAILED, describe(error))
        raise


def end_row(client: MlflowClient, run_id: str, sweep_id: str, outcome: str, error: str) -> None:
    """End the row of a run that has failed or was killed, with the reason."""
    end_message(sweep_id, outcome, error).deliver(client, run_id, Path())


def end_message(sweep_id: str, outcome: str, error: str) -> Message:
    """Return the message that ends a row with `outcome` failed or killed."""
    tags = {
        schema.OUTCOME: outcome,
        f"{schema.SWEEP}{sweep_id}": schema.FAILED,
        schema.ERROR: error,
    }
    return Message(tags=tags, status=outcome.upper(), ended_ms=now_ms())


def now_ms() -> int:
    """Return the time in milliseconds since 1970, as MLflow counts it."""
    return int(time.time() * 1000)


def _dataset(corpus: EncodedCorpus) -> DatasetInput:
    splits = {name: len(getattr(corpus, name)) for name in ("train", "validation", "test")}
    dataset = Dataset(
        name=cut_name(corpus.name, LONGEST_DATASET),
        digest=corpus.content.fingerprint[:32],
        source_type="local",
        source=json.dumps({"edition": corpus.content.edition}),
        profile=json.dumps({"articles": splits, "classes": corpus.classes}),
    )
    # MLflow keeps one profile of all runs on the same articles, however many each trains on.
    sizes = InputTag(schema.ARTICLES, json.dumps(splits))
    return DatasetInput(dataset, [InputTag("mlflow.data.context", "training"), sizes])

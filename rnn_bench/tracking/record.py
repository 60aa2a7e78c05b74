"""One run in MLflow: a row that begins with its settings and ends with its outcome."""

import json
import logging
import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException

from rnn_bench.config.options import name_of
from rnn_bench.config.schemas import Config
from rnn_bench.data.encoding import EncodedCorpus
from rnn_bench.tracking.keys import config_key, run_key, settings

log = logging.getLogger(__name__)

VERSIONS = ("rnn_bench", "torch", "numpy", "scikit-learn", "mlflow", "hydra-core")
LONGEST_PARAMETER = 6000  # characters; MLflow cuts longer ones


@dataclass
class Record:
    """The MLflow row of a run that is going on."""

    client: MlflowClient
    run_id: str

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        now = int(time.time() * 1000)
        metrics = [Metric(name, float(value), now, step) for name, value in values.items()]
        self.client.log_batch(self.run_id, metrics=metrics)

    def tags(self, values: Mapping[str, object]) -> None:
        tags = [RunTag(name, str(value)) for name, value in values.items() if value is not None]
        self.client.log_batch(self.run_id, tags=tags)

    def artifacts(self, folder: Path) -> None:
        self.client.log_artifacts(self.run_id, str(folder))


@contextmanager
def recorded(
    client: MlflowClient, experiment_id: str, name: str, config: Config, corpus: EncodedCorpus
) -> Iterator[Record]:
    """A new row for a run. It ends as FINISHED; as FAILED with the error if the block raises;
    as KILLED if the block is interrupted."""
    record = Record(client, new_row(client, experiment_id, name, config, corpus))
    try:
        yield record
        client.set_terminated(record.run_id, "FINISHED")
    except BaseException as error:
        outcome = "failed" if isinstance(error, Exception) else "killed"
        try:
            end_row(client, record.run_id, config.sweep_id, outcome, describe(error))
        except MlflowException as problem:  # must not hide the error that ends the run
            log.warning("The end of run %s could not be recorded: %s", record.run_id, problem)
        raise


def new_row(
    client: MlflowClient, experiment_id: str, name: str, config: Config, corpus: EncodedCorpus
) -> str:
    """Begin a run's row, with its tags, parameters and dataset; returns its id."""
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
    }
    tags = {tag: str(value) for tag, value in all_tags.items()}
    run_id = str(client.create_run(experiment_id, run_name=name, tags=tags).info.run_id)
    parameters = [
        Param(key, str(value)[:LONGEST_PARAMETER]) for key, value in settings(config).items()
    ]
    client.log_batch(run_id, params=parameters)
    client.log_inputs(run_id, [_dataset(corpus)])
    return run_id


def end_row(client: MlflowClient, run_id: str, sweep_id: str, outcome: str, error: str) -> None:
    """End a row whose run is failed or killed, for this reason."""
    tags = {"outcome": outcome, f"sweep.{sweep_id}": "failed", "error": error}
    client.log_batch(run_id, tags=[RunTag(name, value) for name, value in tags.items()])
    client.set_terminated(run_id, outcome.upper())


def describe(error: BaseException) -> str:
    """An error in a line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:500]


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


def answer(client: MlflowClient, experiment_id: str, key: str) -> Run | None:
    """The run that already answers a run key: finished or diverged."""
    found = client.search_runs(
        [experiment_id], f"tags.run_key = '{key}' AND attributes.status = 'FINISHED'", max_results=1
    )
    return found[0] if found else None


def asked_for(sweep_id: str) -> str:
    """MLflow's filter for the runs that a sweep asked for."""
    return f'tags."sweep.{sweep_id}" LIKE "%"'


def runs_of(client: MlflowClient, experiment_id: str, sweep_id: str) -> list[Run]:
    """Every run that a sweep asked for, oldest first."""
    runs: list[Run] = []
    token = None
    while token != "":
        page = client.search_runs(
            [experiment_id],
            asked_for(sweep_id),
            order_by=["attributes.start_time ASC"],
            page_token=token,
        )
        runs += page
        token = page.token or ""
    return runs

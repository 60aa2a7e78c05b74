"""Results of a sweep that was never run: recorded runs with predictions made by hand."""

import json
from collections.abc import Sequence
from typing import Any
from unittest.mock import Mock

import numpy as np
from mlflow import MlflowClient
from mlflow.entities import (
    Dataset,
    DatasetInput,
    Metric,
    Param,
    Run,
    RunData,
    RunInfo,
    RunInputs,
    RunTag,
)

from rnn_bench.evaluation.predictions import Predictions
from rnn_bench.report.analysis import Results
from rnn_bench.tracking.recorded_run import RecordedRun
from rnn_bench.tracking.sweeps import Sweep

BASELINES = ("tfidf", "nbsvm", "majority")
TWO = ("fake", "real")
Answer = tuple[RecordedRun, Predictions]


def answered(
    model: str,
    found: Predictions,
    dataset: str = "demo",
    seed: int = 0,
    train: int = 1000,
    seconds: float = 1.0,
    outcome: str = "finished",
    **parameters: object,
) -> Answer:
    """A finished run with its predictions. `parameters` are without their group's name, which is
    `dataset`: `train_size=0.1`."""
    settings = {f"dataset.{name}": str(value) for name, value in parameters.items()}
    key = f"{model} {dataset} {sorted(settings.items())}"
    tags = {
        **{"dataset": dataset, "model": model, "protocol": "fair", "seed": str(seed)},
        **{"config_key": key, "run_key": f"{key} {seed}", "outcome": outcome},
        "kind": "baseline" if model in BASELINES else "network",
    }
    info = RunInfo(
        run_id=f"{key} {seed}",
        experiment_id="1",
        user_id="",
        status="FINISHED",
        start_time=0,
        end_time=0,
        lifecycle_stage="active",
        artifact_uri="file:///nowhere",
        run_name=f"{model}-{dataset}-s{seed}",
    )
    data = RunData(
        [Metric("train_seconds", seconds, 0, 0)],
        [Param(name, value) for name, value in {**settings, "seed": str(seed)}.items()],
        [RunTag(name, value) for name, value in tags.items()],
    )
    sizes = {"train": train, "validation": 100, "test": len(found.labels)}
    articles = Dataset(dataset, "digest", "local", "", profile=json.dumps({"articles": sizes}))
    inputs = RunInputs([DatasetInput(articles)])
    return RecordedRun(
        Run(info, data, inputs), Mock(spec=MlflowClient, tracking_uri="sqlite://")
    ), found


def results_of(*answers: Answer, **sweep: Any) -> Results:
    """The results of these runs."""
    found = Results(Sweep("sweep", "1", "sqlite://", [run for run, _ in answers], **sweep))
    found.__dict__["predictions"] = {run.id: predictions for run, predictions in answers}
    return found


def right_in(
    share: float,
    articles: int = 400,
    seed: int = 0,
    certainties: Sequence[float] | None = None,
    classes: tuple[str, ...] = TWO,
) -> Predictions:
    """Predictions that are right in a share of the articles, which the seed decides in part.
    Certainties are 0.9 unless they are given."""
    count = len(classes)
    labels = np.arange(articles) % count
    hard = np.random.default_rng(99).random(articles)  # for every model
    rank = (hard + 0.15 * np.random.default_rng(seed).normal(size=articles)).argsort().argsort()
    right = rank < round(share * articles)
    return certain(labels, np.where(right, labels, (labels + 1) % count), certainties, classes)


def certain(
    labels: Sequence[int] | np.ndarray,
    predicted: Sequence[int] | np.ndarray,
    certainties: Sequence[float] | None = None,
    classes: tuple[str, ...] = TWO,
) -> Predictions:
    """Predictions of these classes with these certainties."""
    chosen = np.full(len(labels), 0.9) if certainties is None else np.asarray(certainties)
    rest = (1 - chosen) / (len(classes) - 1)
    shares = np.repeat(rest[:, None], len(classes), axis=1)
    shares[np.arange(len(labels)), predicted] = chosen
    return Predictions(classes, np.asarray(labels), np.asarray(predicted), shares)


def over_seeds(model: str, share: float, seeds: int = 3, **options: Any) -> list[Answer]:
    """A run for each seed with this share of right answers in the mean; of a baseline always the
    same."""
    found = []
    for seed in range(seeds):
        drawn = 0 if model in BASELINES else seed
        of_seed = share if model in BASELINES else share + 0.01 * (seed - (seeds - 1) / 2)
        predictions = right_in(of_seed, seed=drawn + sum(map(ord, model)))
        found.append(answered(model, predictions, seed=seed, **options))
    return found

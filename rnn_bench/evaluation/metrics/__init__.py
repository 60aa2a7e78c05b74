"""Compute the metrics of a run's test predictions, one in each file of this folder.

A file `NAME.py` defines `compute(predictions)`, and may define a whole `VERSION` (else 1) and a
`LABEL` for reports (else its name). It is recorded as the metric `test_NAME`. A file with
`BY_CLASS = True` computes a number for each class, in order; they are recorded as
`test_NAME/CLASS`. A file may define `by_article(predictions)`, a value for each article (for each
class and article) whose mean is the metric and whose variance gives its standard error; without it
the jackknife finds such values. `counts(predictions)` is the number of articles that the metric is
about, such as those of a class (a number for each class); without it, all. `IS_LOSS = True` says
that the lowest value is the best, and that values are not negative and may exceed 1. Metrics are
computed from stored predictions, so a new or corrected one needs no run to be trained again: raise
VERSION when `compute` gives other numbers, and the recorded ones are computed anew.
"""

import importlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pkgutil import iter_modules
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from rnn_bench.config.protocol import Protocol
from rnn_bench.data.encoding import Split
from rnn_bench.evaluation.predictions import Predictions
from rnn_bench.training.prediction import batch_mean_accuracy

GROUPS = 100  # of articles, each left out once by the jackknife
LONGEST_CLASS_NAME = 100  # characters of a metric's name


@dataclass(frozen=True)
class Metric:
    """A number computed from test predictions, or one for each class, the version of its
    definition, its name in reports, whether the lowest is the best, and, if it has them, its values
    by article and the number of articles that it is about."""

    compute: Callable[[Predictions], Any]
    version: int = 1
    label: str = ""
    by_class: bool = False
    is_loss: bool = False
    by_article: Callable[[Predictions], Any] | None = None
    counts: Callable[[Predictions], Any] | None = None


def load_metric(name: str) -> Metric:
    """Return the metric that a file in this folder defines."""
    file = importlib.import_module(f"{__name__}.{name}")
    label = getattr(file, "LABEL", name.replace("_", " "))
    by_class, is_loss = (getattr(file, each, False) for each in ("BY_CLASS", "IS_LOSS"))
    parts = (getattr(file, each, None) for each in ("by_article", "counts"))
    return Metric(file.compute, getattr(file, "VERSION", 1), label, by_class, is_loss, *parts)


METRICS = {f"test_{file.name}": load_metric(file.name) for file in iter_modules(__path__)}


def metric_versions() -> str:
    """Return the version of each metric by its name, as JSON."""
    return json.dumps({name: metric.version for name, metric in METRICS.items()})


def names_by_class(name: str, classes: Sequence[str]) -> list[str]:
    """Return the names under which a metric of each class is recorded: `test_recall/spam`.

    MLflow takes letters, digits and `_-. ` in a name everywhere. Other signs of a class's name
    become `_`, and a name that is then empty or another class's ends in the class's number.
    """
    names: list[str] = []
    for number, each in enumerate(classes):
        written = re.sub(r"[^\w.\- ]", "_", each)[:LONGEST_CLASS_NAME].strip(" .")
        taken = {other.casefold() for other in names}  # for databases that fold letters too
        if not written or f"{name}/{written}".casefold() in taken:
            written = f"{written} {number}".strip()
        names.append(f"{name}/{written}")
    return names


def metric_names(classes: Sequence[str]) -> list[str]:
    """Return the names under which metrics are recorded of a corpus with these classes."""
    names: list[str] = []
    for name, metric in METRICS.items():
        names += names_by_class(name, classes) if metric.by_class else [name]
    return names


def title_of(name: str) -> str:
    """Return a recorded metric's name in words: `test F1 of spam` for `test_f1/spam`."""
    metric, _, class_name = name.partition("/")
    label = METRICS[metric].label if metric in METRICS else metric.removeprefix("test_")
    return f"test {label}{f' of {class_name}' * bool(class_name)}"


def is_loss(name: str) -> bool:
    """Return whether the lowest value of a recorded metric is the best."""
    part = name.partition("/")[0]
    return part in METRICS and METRICS[part].is_loss


def compute_metrics(predictions: Predictions, names: Iterable[str] = METRICS) -> dict[str, float]:
    """Return the numbers of these metrics by the names under which they are recorded."""
    figures: dict[str, float] = {}
    for name in names:
        found = METRICS[name].compute(predictions)
        if METRICS[name].by_class:
            each = names_by_class(name, predictions.classes)
            figures |= zip(each, map(float, found), strict=True)
        else:
            figures[name] = float(found)
    return figures


def article_values(predictions: Predictions, name: str) -> Float[np.ndarray, " values"]:
    """Return values whose mean is the metric of a recorded name, and whose variance divided by
    their number is its squared standard error over articles: one for each article, or of a metric
    without `by_article` one for each of GROUPS groups of articles, the jackknife's pseudo-values.

    Raises:
        KeyError: there is no such metric.
    """
    part = name.partition("/")[0]
    return np.asarray(all_article_values(predictions, part)[_row(predictions, name)])


def all_article_values(predictions: Predictions, name: str) -> Float[np.ndarray, "numbers values"]:
    """Return a metric's `article_values`: a row, or one for each class."""
    metric = METRICS[name]
    if metric.by_article is not None:
        return np.atleast_2d(np.asarray(metric.by_article(predictions), dtype=float))

    def compute(some: Predictions) -> Float[np.ndarray, " numbers"]:
        return np.atleast_1d(np.asarray(metric.compute(some), dtype=float))

    articles, whole = len(predictions.labels), compute(predictions)
    groups = np.arange(articles) % GROUPS
    count = min(GROUPS, articles)
    if count < 2:
        return np.repeat(whole[:, None], count, axis=1)
    without = np.stack([compute(predictions.of(groups != each)) for each in range(count)], axis=1)
    centred = without - without.mean(1, keepdims=True)
    return np.asarray(whole[:, None] - (count - 1) * centred)


def counted_articles(predictions: Predictions, name: str) -> float:
    """Return the number of articles that the metric of a recorded name is about."""
    part = name.partition("/")[0]
    return float(all_counted_articles(predictions, part)[_row(predictions, name)])


def all_counted_articles(predictions: Predictions, name: str) -> Float[np.ndarray, " numbers"]:
    """Return a metric's `counted_articles`: a number, or one for each class."""
    metric = METRICS[name]
    if metric.counts is not None:
        return np.atleast_1d(np.asarray(metric.counts(predictions), dtype=float))
    numbers = len(predictions.classes) if metric.by_class else 1
    return np.full(numbers, float(len(predictions.labels)))


def _row(predictions: Predictions, name: str) -> int:
    """Return the position of a recorded name among the numbers of its metric."""
    part = name.partition("/")[0]
    if not METRICS[part].by_class:
        return 0
    return names_by_class(part, predictions.classes).index(name)


def missing_metrics(recorded: Iterable[str], versions: Mapping[str, int]) -> list[str]:
    """Return the metrics that a run's recorded names lack, or have by another version."""
    known = {name.partition("/")[0] for name in recorded}
    return [
        name
        for name, metric in METRICS.items()
        if name not in known or versions.get(name, 1) != metric.version
    ]


def evaluate(
    logits: Float[Tensor, "articles classes"],
    split: Split,
    classes: tuple[str, ...],
    protocol: Protocol,
) -> dict[str, float]:
    """Return the recorded metrics of a split's logits: every metric of its predictions.

    With `loss_average=batches` also `test_accuracy_batch_mean`, the mean of the accuracies of
    batches in file order.
    """
    predictions = Predictions.from_logits(logits, split.labels, classes)
    figures = compute_metrics(predictions)
    if protocol.loss_average == "batches":
        figures["test_accuracy_batch_mean"] = batch_mean_accuracy(
            logits, split.labels, protocol.batch_size
        )
    return figures

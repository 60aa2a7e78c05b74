"""Compute the metrics of a run's test predictions, one in each file of this folder.

A file `NAME.py` defines `compute(predictions)`, and may define a whole `VERSION` (else 1) and a
`LABEL` for reports (else its name). It is recorded as the metric `test_NAME`. A file with
`BY_CLASS = True` computes a number for each class, in order; they are recorded as
`test_NAME/CLASS`. Metrics are computed from stored predictions, so a new or corrected one needs no
run to be trained again: raise VERSION when `compute` gives other numbers, and the recorded ones are
computed anew.
"""

import importlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pkgutil import iter_modules
from typing import Any

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from rnn_bench.config.protocol import Protocol
from rnn_bench.data.encoding import Split
from rnn_bench.evaluation.predictions import Predictions
from rnn_bench.training.prediction import batch_mean_accuracy

LONGEST_CLASS_NAME = 100  # characters of a metric's name


@dataclass(frozen=True)
class Metric:
    """A number computed from test predictions, or one for each class, the version of its
    definition, and its name in reports."""

    compute: Callable[[Predictions], Any]
    version: int = 1
    label: str = ""
    by_class: bool = False


def load_metric(name: str) -> Metric:
    """Return the metric that a file in this folder defines."""
    file = importlib.import_module(f"{__name__}.{name}")
    label = getattr(file, "LABEL", name.replace("_", " "))
    by_class = getattr(file, "BY_CLASS", False)
    return Metric(file.compute, getattr(file, "VERSION", 1), label, by_class)


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
    """Return the recorded metrics of a split's logits: every metric of its predictions, and
    `test_loss`, the mean cross-entropy in nats.

    With `loss_average=batches` also `test_accuracy_batch_mean`, the mean of the accuracies of
    batches in file order.
    """
    predictions = Predictions.from_logits(logits, split.labels, classes)
    figures = compute_metrics(predictions)
    figures["test_loss"] = F.cross_entropy(logits.double(), split.labels.cpu()).item()
    if protocol.loss_average == "batches":
        figures["test_accuracy_batch_mean"] = batch_mean_accuracy(
            logits, split.labels, protocol.batch_size
        )
    return figures

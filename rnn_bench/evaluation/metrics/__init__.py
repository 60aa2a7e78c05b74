"""Compute the metrics of a run's test predictions, one in each file of this folder.

A file `NAME.py` defines `compute(predictions)`, and may define a whole `VERSION` (else 1) and a
`LABEL` for reports (else its name). It is recorded as the metric `test_NAME`. Metrics are computed
from stored predictions, so a new or corrected one needs no run to be trained again: raise VERSION
when `compute` gives other numbers, and the recorded ones are computed anew.
"""

import importlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pkgutil import iter_modules

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from rnn_bench.config.protocol import Protocol
from rnn_bench.data.encoding import Split
from rnn_bench.evaluation.predictions import Predictions
from rnn_bench.training.prediction import batch_mean_accuracy


@dataclass(frozen=True)
class Metric:
    """A number computed from test predictions, the version of its definition, and its name in
    reports."""

    compute: Callable[[Predictions], float]
    version: int = 1
    label: str = ""


def load_metric(name: str) -> Metric:
    """Return the metric that a file in this folder defines."""
    file = importlib.import_module(f"{__name__}.{name}")
    label = getattr(file, "LABEL", name.replace("_", " "))
    return Metric(file.compute, getattr(file, "VERSION", 1), label)


METRICS = {f"test_{file.name}": load_metric(file.name) for file in iter_modules(__path__)}


def metric_versions() -> str:
    """Return the version of each metric by its name, as JSON."""
    return json.dumps({name: metric.version for name, metric in METRICS.items()})


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
    figures = {name: metric.compute(predictions) for name, metric in METRICS.items()}
    figures["test_loss"] = F.cross_entropy(logits.double(), split.labels.cpu()).item()
    if protocol.loss_average == "batches":
        figures["test_accuracy_batch_mean"] = batch_mean_accuracy(
            logits, split.labels, protocol.batch_size
        )
    return figures

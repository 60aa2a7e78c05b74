"""Compute the metrics of a run's test predictions, one in each file of this folder.

A file `NAME.py` defines `compute(predictions)` and a whole `VERSION`. It is recorded as the metric
`test_NAME`. Metrics are computed from stored predictions, so a new or corrected one needs no run to
be trained again: raise VERSION when `compute` gives other numbers, and the recorded ones are
computed anew.
"""

import importlib
import json
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from rnn_bench.config.protocol import Protocol
from rnn_bench.data.encoding import Split
from rnn_bench.evaluation.predictions import Predictions
from rnn_bench.training.prediction import batch_mean_accuracy


@dataclass(frozen=True)
class Metric:
    """A number computed from test predictions, and the version of its definition."""

    compute: Callable[[Predictions], float]
    version: int


def _load_metrics() -> dict[str, Metric]:
    modules = {
        f"test_{found.name}": importlib.import_module(f"{__name__}.{found.name}")
        for found in pkgutil.iter_modules(__path__)
    }
    return {name: Metric(module.compute, module.VERSION) for name, module in modules.items()}


METRICS = _load_metrics()


def metric_versions() -> str:
    """Return the version of each metric by its name, as JSON."""
    return json.dumps({name: metric.version for name, metric in METRICS.items()})


def compute_metrics(predictions: Predictions) -> dict[str, float]:
    """Return every metric of these predictions by its recorded name."""
    return {name: metric.compute(predictions) for name, metric in METRICS.items()}


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
    figures = compute_metrics(Predictions.from_logits(logits, split.labels, classes))
    figures["test_loss"] = F.cross_entropy(logits.double(), split.labels.cpu()).item()
    if protocol.loss_average == "batches":
        figures["test_accuracy_batch_mean"] = batch_mean_accuracy(
            logits, split.labels, protocol.batch_size
        )
    return figures

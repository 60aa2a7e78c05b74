"""What a trained model's answers on the test articles are worth."""

from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from rnn_bench.config.protocol import Protocol
from rnn_bench.data.encoding import Split
from rnn_bench.training.prediction import accuracy, batch_mean_accuracy


@dataclass(frozen=True)
class Metrics:
    """Sums over the test articles divided by their number; macro F1 is the unweighted mean of
    the classes' F1 scores. `test_accuracy_batch_mean` is there for loss_average=batches."""

    test_accuracy: float
    test_loss: float
    test_macro_f1: float
    test_accuracy_batch_mean: float | None = None

    def recorded(self) -> dict[str, float]:
        return {name: value for name, value in asdict(self).items() if value is not None}


def evaluate(
    logits: Float[Tensor, "articles classes"], split: Split, protocol: Protocol
) -> Metrics:
    batch_mean = protocol.loss_average == "batches"
    return Metrics(
        test_accuracy=accuracy(logits, split.labels),
        test_loss=F.cross_entropy(logits.double(), split.labels.cpu()).item(),
        test_macro_f1=macro_f1(logits, split.labels),
        test_accuracy_batch_mean=(
            batch_mean_accuracy(logits, split.labels, protocol.batch_size) if batch_mean else None
        ),
    )


def macro_f1(logits: Float[Tensor, "articles classes"], labels: Int[Tensor, " articles"]) -> float:
    """The mean over the classes of 2 x hits / (articles predicted + articles labelled), 0 for a
    class without either."""
    predicted, labels, classes = logits.argmax(1), labels.cpu(), logits.shape[1]
    hits = torch.bincount(labels[predicted == labels], minlength=classes)
    both = torch.bincount(torch.cat([predicted, labels]), minlength=classes)
    return (2 * hits.double() / both.clamp(min=1)).mean().item()


def probabilities(logits: Float[Tensor, "articles classes"]) -> Float[Tensor, "articles classes"]:
    """Of the classes; not numbers where a diverged model gives none."""
    return torch.softmax(logits.double(), dim=1)

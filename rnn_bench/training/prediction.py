"""Predict the classes of a split's articles, and compute loss and accuracy."""

import math
from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from rnn_bench.config.protocol import Protocol
from rnn_bench.data.batches import batches, reading_order
from rnn_bench.data.encoding import Split
from rnn_bench.models.baselines.baseline import Baseline
from rnn_bench.models.precision import logits_in, products_in

PREDICTION_BATCH_SIZE = 256


@torch.no_grad()
def predict(
    model: nn.Module, split: Split, protocol: Protocol
) -> Float[Tensor, "articles classes"]:
    """Return the logits of every article, on the CPU, in the split's order.

    Articles are read in large batches of similar lengths. Under `readout=padded_end`, where padding
    is part of the result, they are read in the split's order and the protocol's batch size.
    """
    if isinstance(model, Baseline):
        return model.log_probabilities(split)
    model.eval()
    lengths = split.lengths.cpu().numpy()
    by_length = protocol.readout != "padded_end"
    batch_size = PREDICTION_BATCH_SIZE if by_length else protocol.batch_size
    order = reading_order(lengths, batch_size, by_length)
    precision = protocol.precision
    with products_in(precision, split.tokens.device):
        of_batches = [
            logits_in(precision, model, batch.tokens, batch.lengths)
            for batch in batches(split, lengths, order)
        ]
    logits = torch.cat(of_batches).cpu()
    articles = torch.from_numpy(np.concatenate(order))
    return torch.empty_like(logits).index_copy_(0, articles, logits)


def mean_loss(
    logits: Float[Tensor, "articles classes"], labels: Int[Tensor, " articles"], protocol: Protocol
) -> float:
    """Return the cross-entropy in nats: the mean over articles, or under `loss_average=batches` the
    mean of the means of batches in the split's order."""
    losses = F.cross_entropy(logits, labels.cpu(), reduction="none")
    return _mean(losses, protocol.loss_average, protocol.batch_size)


def accuracy(logits: Float[Tensor, "articles classes"], labels: Int[Tensor, " articles"]) -> float:
    """Return the share of articles whose most probable class is their label."""
    return (logits.argmax(1) == labels.cpu()).double().mean().item()


def macro_f1(logits: Float[Tensor, "articles classes"], labels: Int[Tensor, " articles"]) -> float:
    """Return the unweighted mean of the classes' F1 scores, 0 for a class never predicted."""
    from sklearn.metrics import f1_score

    classes, answers = range(logits.shape[1]), (labels.cpu().numpy(), logits.argmax(1).numpy())
    return float(f1_score(*answers, labels=classes, average="macro", zero_division=0.0))


def validate(model: nn.Module, split: Split, protocol: Protocol) -> dict[str, float]:
    """Return what a model may be chosen by, computed on the validation split."""
    return validation_figures(predict(model, split, protocol), split, protocol)


def validation_figures(
    logits: Float[Tensor, "articles classes"], split: Split, protocol: Protocol
) -> dict[str, float]:
    """Return `val_loss`, `val_accuracy` and `val_macro_f1` of logits of the validation split."""
    return {
        "val_loss": mean_loss(logits, split.labels, protocol),
        "val_accuracy": accuracy(logits, split.labels),
        "val_macro_f1": macro_f1(logits, split.labels),
    }


def penalty(figures: Mapping[str, float], select_by: str) -> float:
    """Return a number that is lowest for the best of the models with these `validate` figures: the
    loss, or a share's negative. It is infinite for a model whose loss is not finite."""
    if not math.isfinite(figures["val_loss"]):
        return math.inf
    value = figures[select_by]
    return value if select_by == "val_loss" else -value


def batch_mean_accuracy(
    logits: Float[Tensor, "articles classes"], labels: Int[Tensor, " articles"], batch_size: int
) -> float:
    """Return the mean of the accuracies of batches in the split's order, in which a smaller last
    batch weighs as much as the others."""
    return _mean(logits.argmax(1) == labels.cpu(), "batches", batch_size)


def _mean(values: Tensor, over: str, batch_size: int) -> float:
    values = values.double()
    if over == "articles":
        return values.mean().item()
    return torch.stack([batch.mean() for batch in values.split(batch_size)]).mean().item()

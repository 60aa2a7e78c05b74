"""Predict the classes of a split's articles, and compute loss and accuracy."""

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from rnn_bench.config.protocol import Protocol
from rnn_bench.data.batches import batches, reading_order
from rnn_bench.data.encoding import Split
from rnn_bench.models.baselines.baseline import Baseline

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
    of_batches = [model(batch.tokens, batch.lengths) for batch in batches(split, lengths, order)]
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

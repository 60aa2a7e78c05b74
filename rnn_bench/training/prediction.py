"""A model's answers for the articles of a split, without gradients, and how good they are."""

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from rnn_bench.config.protocol import Protocol
from rnn_bench.data.batches import batches, reading_order
from rnn_bench.data.encoding import Split
from rnn_bench.models.baselines.baseline import Baseline

READING_BATCH_SIZE = 256


@torch.no_grad()
def predict(
    model: nn.Module | Baseline, split: Split, protocol: Protocol
) -> Float[Tensor, "articles classes"]:
    """Logits for every article on the CPU, in the split's order.

    Where padding has no part in the result, articles are read in large batches of similar
    lengths; with `padded_end`, in the split's order and the protocol's batch size.
    """
    if isinstance(model, Baseline):
        return model.log_probabilities(split)
    model.eval()
    lengths = split.lengths.cpu().numpy()
    by_length = protocol.readout != "padded_end"
    batch_size = READING_BATCH_SIZE if by_length else protocol.batch_size
    order = reading_order(lengths, batch_size, by_length)
    answers = [model(batch.tokens, batch.lengths) for batch in batches(split, lengths, order)]
    logits = torch.cat(answers).cpu()
    places = torch.from_numpy(np.concatenate(order))
    return torch.empty_like(logits).index_copy_(0, places, logits)


def mean_loss(
    logits: Float[Tensor, "articles classes"], labels: Int[Tensor, " articles"], protocol: Protocol
) -> float:
    """Cross-entropy in nats: mean over articles, or mean of the means of batches in order."""
    losses = F.cross_entropy(logits, labels.cpu(), reduction="none")
    return _mean(losses, protocol.loss_average, protocol.batch_size)


def accuracy(logits: Float[Tensor, "articles classes"], labels: Int[Tensor, " articles"]) -> float:
    """Share of articles whose most probable class is their label."""
    return (logits.argmax(1) == labels.cpu()).double().mean().item()


def batch_mean_accuracy(
    logits: Float[Tensor, "articles classes"], labels: Int[Tensor, " articles"], batch_size: int
) -> float:
    """Mean of the accuracies of batches in order: a smaller last batch weighs as much."""
    return _mean(logits.argmax(1) == labels.cpu(), "batches", batch_size)


def _mean(values: Tensor, over: str, batch_size: int) -> float:
    values = values.double()
    if over == "articles":
        return values.mean().item()
    return torch.stack([batch.mean() for batch in values.split(batch_size)]).mean().item()

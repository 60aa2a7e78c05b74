"""Make batches by indexing into a split on its device, without a data loader."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int
from numpy.typing import NDArray
from torch import Tensor

from rnn_bench.data.encoding import Split
from rnn_bench.data.vocabulary import PADDING

POOL_BATCHES = 64  # articles of this many batches are sorted by length together


@dataclass(frozen=True)
class Batch:
    """Articles padded on the right to the longest of them."""

    tokens: Int[Tensor, "batch time"]
    lengths: Int[Tensor, " batch"]
    labels: Int[Tensor, " batch"]


def training_order(
    lengths: NDArray[np.int64], batch_size: int, batching: str, seed: int, epoch: int
) -> list[NDArray[np.int64]]:
    """Return the articles of each training batch of an epoch, drawn from (seed, epoch) alone.

    `shuffled` cuts a random order into batches. `bucketed` cuts it into pools, sorts each pool
    by length, cuts that into batches, and shuffles the batches: lengths 9 2 8 1 in batches of
    two become (1 2) (8 9) rather than (9 2) (8 1), which takes 2 + 9 steps rather than 9 + 8.
    """
    random = np.random.default_rng([seed, epoch])
    order = random.permutation(len(lengths))
    if batching == "shuffled":
        return _cut(order, batch_size)
    batches = []
    for pool in _cut(order, batch_size * POOL_BATCHES):
        batches += _cut(pool[np.argsort(lengths[pool], kind="stable")], batch_size)
    return [batches[i] for i in random.permutation(len(batches))]


def reading_order(
    lengths: NDArray[np.int64], batch_size: int, by_length: bool
) -> list[NDArray[np.int64]]:
    """Return batches that have each article once, in file order or sorted by length."""
    order = np.argsort(lengths, kind="stable") if by_length else np.arange(len(lengths))
    return _cut(order, batch_size)


def _cut(order: NDArray[np.int64], size: int) -> list[NDArray[np.int64]]:
    return [order[start : start + size] for start in range(0, len(order), size)]


def batches(
    split: Split, lengths: NDArray[np.int64], order: list[NDArray[np.int64]]
) -> Iterator[Batch]:
    """Yield the batches of an order, made on the split's device without waiting for it.

    Args:
        lengths: the split's lengths, in memory of the CPU.
        order: positions in the split of each batch's articles.
    """
    for articles, longest in articles_of(lengths, order, split.tokens.device):
        yield gather(split, articles, longest)


def articles_of(
    lengths: NDArray[np.int64], order: list[NDArray[np.int64]], device: torch.device
) -> Iterator[tuple[Int[Tensor, " batch"], int]]:
    """Yield each batch's positions in its split, on a device, and the length of its longest
    article."""
    positions = torch.from_numpy(np.concatenate(order)).to(device)
    start = 0
    for articles in order:
        yield positions[start : start + len(articles)], int(lengths[articles].max())
        start += len(articles)


def gather(split: Split, articles: Int[Tensor, " batch"], longest: int) -> Batch:
    """Return the articles at these positions of a split, padded to `longest` tokens."""
    starts = split.offsets[articles]
    lengths = split.offsets[articles + 1] - starts
    time = torch.arange(longest, device=starts.device)
    inside = time < lengths[:, None]
    positions = torch.where(inside, starts[:, None] + time, 0)
    tokens = torch.where(inside, split.tokens[positions], PADDING)
    return Batch(tokens, lengths, split.labels[articles])

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rnn_bench.data.batches import batches, reading_order, training_order
from rnn_bench.data.encoding import Split

LENGTHS = np.random.default_rng(0).integers(1, 400, 1000)


def split_of(lengths: list[int]) -> Split:
    """Article i is made of tokens i + 2."""
    counts = torch.tensor(lengths)
    return Split(
        tokens=torch.arange(2, len(lengths) + 2).repeat_interleave(counts).int(),
        offsets=torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)]),
        labels=torch.arange(len(lengths)) % 2,
    )


@pytest.mark.parametrize("batching", ["bucketed", "shuffled"])
def test_every_article_is_in_one_batch_of_an_epoch(batching: str) -> None:
    order = training_order(LENGTHS, 32, batching, seed=0, epoch=1)
    assert sorted(np.concatenate(order).tolist()) == list(range(1000))
    assert sorted(map(len, order))[1:] == [32] * 31


@pytest.mark.parametrize("batching", ["bucketed", "shuffled"])
def test_seed_and_epoch_decide_the_order(batching: str) -> None:
    def order(seed: int, epoch: int) -> list[int]:
        return np.concatenate(training_order(LENGTHS, 32, batching, seed, epoch)).tolist()

    assert order(0, 1) == order(0, 1)
    assert order(0, 1) != order(0, 2)
    assert order(0, 1) != order(1, 1)


def test_bucketed_batches_are_hardly_padded() -> None:
    def share_of_tokens(batching: str) -> float:
        order = training_order(LENGTHS, 32, batching, seed=0, epoch=1)
        return LENGTHS.sum() / sum(LENGTHS[batch].max() * len(batch) for batch in order)

    assert share_of_tokens("bucketed") > 0.95
    assert share_of_tokens("shuffled") < 0.6


def test_bucketed_batches_do_not_come_by_length() -> None:
    order = training_order(LENGTHS, 32, "bucketed", seed=0, epoch=1)
    means = [LENGTHS[batch].mean() for batch in order]
    assert abs(np.corrcoef(means, range(len(means)))[0, 1]) < 0.5


def test_reading_keeps_file_order_unless_by_length() -> None:
    assert np.concatenate(reading_order(LENGTHS, 32, by_length=False)).tolist() == [*range(1000)]
    by_length = np.concatenate(reading_order(LENGTHS, 32, by_length=True))
    assert (np.diff(LENGTHS[by_length]) >= 0).all()


@given(st.lists(st.integers(1, 9), min_size=1, max_size=20), st.integers(1, 7))
def test_a_batch_holds_its_articles_padded_to_the_longest(lengths: list[int], size: int) -> None:
    split, counts = split_of(lengths), np.array(lengths)
    order = training_order(counts, size, "shuffled", seed=0, epoch=1)
    for articles, batch in zip(order, batches(split, counts, order), strict=True):
        assert batch.tokens.shape == (len(articles), counts[articles].max())
        for row, article in enumerate(articles):
            expected = [article + 2] * lengths[article]
            padding = [0] * (batch.tokens.shape[1] - lengths[article])
            assert batch.tokens[row].tolist() == expected + padding
        assert batch.lengths.tolist() == counts[articles].tolist()
        assert batch.labels.tolist() == (articles % 2).tolist()

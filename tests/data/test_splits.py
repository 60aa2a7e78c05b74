import pytest
import torch

from rnn_bench.config.protocol import Protocol
from rnn_bench.data.corpus import DataError
from rnn_bench.data.splits import (
    split_test_like_the_study,
    split_test_stratified,
    split_validation,
)


def test_the_study_splits_validation_as_torch_does() -> None:
    protocol = Protocol(name="notebook", validation_stratified=False)
    training, validation = split_validation([0, 1] * 26, protocol)
    generator = torch.Generator().manual_seed(42)
    expected = torch.utils.data.random_split(range(52), [42, 10], generator=generator)
    assert (training, validation) == ([*expected[0]], [*expected[1]])


def test_a_stratified_split_keeps_class_shares() -> None:
    labels = [0] * 80 + [1] * 20
    training, validation = split_validation(labels, Protocol(name="fair"))
    assert sorted(training + validation) == [*range(100)]
    assert sum(labels[i] for i in validation) == 4


@pytest.mark.parametrize("stratified", [True, False])
def test_a_corpus_too_small_to_split_is_refused(stratified: bool) -> None:
    protocol = Protocol(name="p", validation_stratified=stratified)
    with pytest.raises(DataError, match="too small to split: of 3 training articles"):
        split_validation([0, 1, 0], protocol)


def test_a_class_with_one_article_cannot_be_stratified() -> None:
    with pytest.raises(DataError, match="too small to split"):
        split_validation([0] * 30 + [1], Protocol(name="p"))


def test_a_fifth_is_test_by_scikit_learn_s_split_with_the_study_s_seed() -> None:
    from sklearn.model_selection import train_test_split

    train, test = split_test_like_the_study(50, "file")
    assert [train, test] == train_test_split(range(50), test_size=0.2, random_state=99)
    with pytest.raises(DataError, match=r"^file: 9 articles are too few to split\."):
        split_test_like_the_study(9, "file")


def test_a_stratified_test_split_keeps_class_shares() -> None:
    labels = ["a"] * 80 + ["b"] * 20
    train, test = split_test_stratified(labels, 0.25, "file")
    assert sorted(train + test) == [*range(100)]
    assert sum(labels[i] == "b" for i in test) == 5


def test_every_class_has_a_test_article_however_small_the_fraction() -> None:
    _, test = split_test_stratified([*"ababab"], 0.01, "file")
    assert len(test) == 2


@pytest.mark.parametrize(
    ("labels", "reason"), [("aab", "one article with the label 'b'"), ("aabbcc", None)]
)
def test_the_file_that_is_too_small_to_split_is_named(labels: str, reason: str | None) -> None:
    if reason is None:
        assert len(split_test_stratified([*labels], 0.2, "file")[1]) == 3
        return
    with pytest.raises(DataError, match=f"^file is too small to split: {reason}"):
        split_test_stratified([*labels], 0.2, "file")

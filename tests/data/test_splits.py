from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from rnn_bench.config.dataset import Splitting
from rnn_bench.config.errors import ConfigError
from rnn_bench.config.protocol import Protocol
from rnn_bench.data.corpus import Articles, DataError
from rnn_bench.data.splits import (
    nested_part,
    resplit,
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


def pooled(classes: int = 2, train: int = 60, test: int = 20) -> Articles:
    texts = [f"article {i}" for i in range(train + test)]
    labels = [i % classes for i in range(train + test)]
    return Articles(
        train=(texts[:train], labels[:train]),
        test=(texts[train:], labels[train:]),
        classes=tuple(map(str, range(classes))),
        columns=lambda: {"date": (texts[:train], texts[train:])},
    )


def test_each_article_is_test_in_one_fold() -> None:
    whole = pooled(classes=4)
    folds = [resplit(whole, Splitting(folds=5, fold=fold), seed=42) for fold in range(5)]
    tested = [text for fold in folds for text in fold.test[0]]
    assert sorted(tested) == sorted(whole.train[0] + whole.test[0])
    for fold in folds:
        assert not {*fold.train[0]} & {*fold.test[0]}
        assert [fold.test[1].count(label) for label in range(4)] == [4] * 4
        assert fold.columns()["date"] == (fold.train[0], fold.test[0])


def test_folds_are_scikit_learn_s_with_the_split_seed() -> None:
    from sklearn.model_selection import StratifiedKFold

    whole = pooled()
    texts, labels = (a + b for a, b in zip(whole.train, whole.test, strict=True))
    folds = StratifiedKFold(4, shuffle=True, random_state=7).split(texts, labels)
    for fold, (_, test) in enumerate(folds):
        found = resplit(whole, Splitting(folds=4, fold=fold), seed=7)
        assert found.test[0] == [texts[i] for i in test]


def test_resamples_have_the_size_of_the_test_file_and_differ() -> None:
    whole = pooled()
    drawn = [resplit(whole, Splitting(resample=number), seed=42).test[0] for number in range(3)]
    assert {len(texts) for texts in drawn} == {20}
    assert len({*map(tuple, drawn)}) == 3
    assert drawn[0] == resplit(whole, Splitting(resample=0), seed=42).test[0]


def test_a_fifth_is_drawn_where_there_is_no_test_file() -> None:
    whole = replace(pooled(), test=([], []), columns=dict)
    assert len(resplit(whole, Splitting(resample=0), seed=42).test[0]) == 12


def test_a_validation_file_is_drawn_from_too() -> None:
    whole = replace(pooled(), validation=(["v0", "v1"], [0, 1]))
    fold = resplit(whole, Splitting(folds=2, fold=0), seed=42)
    assert fold.validation is None
    assert len(fold.train[0]) + len(fold.test[0]) == 82


def test_a_class_with_fewer_articles_than_folds_is_refused() -> None:
    whole = pooled(train=60, test=1)
    rare = replace(whole, test=(["rare"], [2]), classes=("0", "1", "2"))
    with pytest.raises(DataError, match=r"folds=5 is not possible: the class '2' has 1 articles"):
        resplit(rare, Splitting(folds=5), seed=42)


def test_smaller_parts_are_nested_keep_class_shares_and_lose_no_class() -> None:
    labels = [0] * 200 + [1] * 40 + [2] * 3
    parts = [nested_part(range(243), labels, share, seed=42) for share in (0.01, 0.05, 0.2, 1.0)]
    for smaller, larger in pairwise(parts):
        assert {*smaller} < {*larger}
    assert [[labels[i] for i in part].count(1) for part in parts] == [1, 2, 8, 40]
    assert [[labels[i] for i in part].count(2) for part in parts] == [1, 1, 1, 3]
    assert parts[2] == sorted(parts[2])


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"fold": 1}, "it needs the number of folds"),
        ({"folds": 5, "fold": 5}, "it must be below dataset.folds=5"),
        ({"folds": 5, "resample": 0}, "not possible with folds"),
        ({"train_size": 0.0}, "above 0 and at most 1"),
        ({"folds": 1}, "at least 2"),
    ],
)
def test_splits_that_do_not_fit_are_refused(keys: dict[str, float], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        Splitting(**keys)  # type: ignore[arg-type]

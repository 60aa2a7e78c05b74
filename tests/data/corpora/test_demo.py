"""The generated corpus is what its settings say."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnn_bench.config.dataset import Demo
from rnn_bench.config.errors import ConfigError
from rnn_bench.config.options import build
from rnn_bench.data.corpora.demo import CUES_PER_CLASS, DECOYS, WORDS
from rnn_bench.data.corpus import Articles


def corpus(**settings: Any) -> Articles:
    articles: Articles = build(Demo(**settings), data_dir=Path("nowhere")).read()
    return articles


def words_and_labels(articles: Articles) -> tuple[list[list[str]], list[int]]:
    texts = articles.train[0] + articles.test[0]
    return [text.split() for text in texts], articles.train[1] + articles.test[1]


def test_the_same_seed_gives_the_same_corpus_and_another_seed_another() -> None:
    assert corpus(seed=1) == corpus(seed=1)
    assert corpus(seed=1) != corpus(seed=2)


def test_a_fifth_of_the_articles_is_test() -> None:
    articles = corpus(articles=1000)
    assert len(articles.train[0]) == len(articles.train[1]) == 800
    assert len(articles.test[0]) == len(articles.test[1]) == 200


def test_labels_are_balanced() -> None:
    articles = corpus()
    for labels in (articles.train[1], articles.test[1]):
        assert np.mean(labels) == pytest.approx(0.5, abs=0.03)


def cue_distances(texts: list[list[str]]) -> list[int]:
    """Words between the cue and the end; the marker before the cue is once in every article."""
    everywhere = set.intersection(*map(set, texts))
    (marker,) = (word for word in everywhere if all(words.count(word) == 1 for words in texts))
    return [len(words) - 2 - words.index(marker) for words in texts]


@pytest.mark.parametrize(("length", "distance"), [(20, 0), (40, 30), (450, 400)])
def test_the_word_after_the_marker_tells_the_class(length: int, distance: int) -> None:
    settings = {"articles": 300, "length": length, "cue_distance": distance, "noise": 0.0}
    texts, labels = words_and_labels(corpus(**settings))
    cues: list[set[str]] = [set(), set()]
    for words, label, away in zip(texts, labels, cue_distances(texts), strict=True):
        cues[label].add(words[-1 - away])
    assert len(cues[0]) == len(cues[1]) == CUES_PER_CLASS
    assert not cues[0] & cues[1]


def test_every_distance_up_to_the_farthest_is_equally_likely() -> None:
    counts = Counter(cue_distances(words_and_labels(corpus(length=30, cue_distance=9))[0]))
    assert sorted(counts) == [*range(10)]
    assert min(counts.values()) > 0.8 * max(counts.values())


def test_one_marker_precedes_the_cue_and_cue_words_of_both_classes_stand_elsewhere() -> None:
    texts, _ = words_and_labels(corpus(length=30, cue_distance=10))
    away = cue_distances(texts)
    cues = {words[-1 - distance] for words, distance in zip(texts, away, strict=True)}
    decoys = sum(word in cues for words in texts for word in words) / len(texts) - 1
    assert DECOYS - 0.7 < decoys < DECOYS  # some fall on each other, the marker or the cue


def test_lengths_vary_evenly_by_half_of_the_mean_length() -> None:
    lengths = [len(words) for words in words_and_labels(corpus(length=100, cue_distance=5))[0]]
    assert (min(lengths), max(lengths)) == (50, 150)
    assert np.mean(lengths) == pytest.approx(100, rel=0.02)


def test_where_the_cue_is_far_lengths_vary_less_about_the_same_mean() -> None:
    texts, _ = words_and_labels(corpus(articles=2000, length=450, cue_distance=400))
    lengths = [len(words) for words in texts]
    assert (min(lengths), max(lengths)) == (402, 498)
    assert np.mean(lengths) == pytest.approx(450, rel=0.02)


def test_a_cue_that_is_farther_than_the_articles_are_long_is_refused() -> None:
    assert corpus(articles=20, length=42, cue_distance=40)
    with pytest.raises(ConfigError, match=r"cue_distance=40 .*length=41.*at most 39"):
        Demo(length=41, cue_distance=40)


def test_noise_flips_that_share_of_the_labels_and_changes_no_text() -> None:
    (clean_texts, clean), (texts, noisy) = (
        words_and_labels(corpus(noise=noise)) for noise in (0.0, 0.1)
    )
    assert texts == clean_texts
    assert np.mean(np.not_equal(clean, noisy)) == pytest.approx(0.1, abs=0.01)


def test_words_follow_zipfs_law() -> None:
    texts, _ = words_and_labels(corpus())
    counts = [
        count for _, count in Counter(word for words in texts for word in words).most_common()
    ]
    ranks = np.arange(20, WORDS // 2)
    slope, _ = np.polyfit(np.log(ranks), np.log(np.array(counts)[ranks]), 1)
    assert slope == pytest.approx(-1, abs=0.15)

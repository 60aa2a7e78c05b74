"""The generated corpus is what its settings say."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from rnn_bench.config.dataset import Demo, Splitting
from rnn_bench.config.errors import ConfigError
from rnn_bench.config.options import build
from rnn_bench.data.corpora.demo import DECOYS, WORDS, draw_lexicon
from rnn_bench.data.corpus import Articles
from rnn_bench.data.splits import resplit


def corpus(**settings: Any) -> Articles:
    articles: Articles = build(Demo(**settings), data_dir=Path("nowhere")).read()
    return articles


def words_and_labels(articles: Articles) -> tuple[list[list[str]], list[int]]:
    texts = articles.train[0] + articles.test[0]
    return [text.split() for text in texts], articles.train[1] + articles.test[1]


def test_the_same_seed_gives_the_same_corpus_and_another_seed_another() -> None:
    assert corpus(seed=1) == corpus(seed=1)
    assert corpus(seed=1) != corpus(seed=2)


def test_half_of_the_articles_are_test() -> None:
    articles = corpus(articles=1001)
    assert len(articles.train[0]) == len(articles.train[1]) == 501
    assert len(articles.test[0]) == len(articles.test[1]) == 500


def test_labels_are_balanced() -> None:
    articles = corpus()
    for labels in (articles.train[1], articles.test[1]):
        assert np.mean(labels) == pytest.approx(0.5, abs=0.03)


def cue_places(texts: list[list[str]], seed: int = 0) -> list[tuple[int, int, int]]:
    """Return of each article where the marker is, where the first cue word after it is, and the
    class of that."""
    marker, _, cues = draw_lexicon(np.random.default_rng(seed))
    classes = {word: label for label, words in enumerate(cues) for word in words}
    found = []
    for words in texts:
        assert words.count(marker) == 1
        start = words.index(marker)
        cue = next(i for i in range(start, len(words)) if words[i] in classes)
        found.append((start, cue, classes[words[cue]]))
    return found


@pytest.mark.parametrize(
    ("length", "distance", "marker"), [(20, 0, 1), (40, 10, 20), (40, 30, 3), (450, 400, 47)]
)
def test_the_first_cue_word_after_the_marker_tells_the_class(
    length: int, distance: int, marker: int
) -> None:
    distances = {"cue_distance": distance, "marker_distance": marker}
    made = corpus(articles=300, length=length, **distances, noise=0.0, seed=1)
    texts, labels = words_and_labels(made)
    assert [label for *_, label in cue_places(texts, seed=1)] == labels


@pytest.mark.parametrize("most", [1, 5])
def test_every_distance_from_marker_to_cue_is_equally_likely_and_none_are_neighbours(
    most: int,
) -> None:
    texts, _ = words_and_labels(
        corpus(articles=8000, length=30, cue_distance=10, marker_distance=most)
    )
    between = Counter(cue - marker - 1 for marker, cue, _ in cue_places(texts))
    assert sorted(between) == [*range(1, most + 1)]
    assert min(between.values()) > 0.9 * max(between.values())


def test_every_distance_up_to_the_farthest_is_equally_likely() -> None:
    texts, _ = words_and_labels(
        corpus(articles=8000, length=35, cue_distance=9, marker_distance=20)
    )
    places = zip(texts, cue_places(texts), strict=True)
    counts = Counter(len(words) - 1 - cue for words, (_, cue, _) in places)
    assert sorted(counts) == [*range(10)]
    assert min(counts.values()) > 0.8 * max(counts.values())


def test_cue_words_of_both_classes_stand_before_the_marker_and_after_the_cue() -> None:
    made = corpus(articles=8000, length=80, cue_distance=40, marker_distance=20, noise=0.0)
    texts, labels = words_and_labels(made)
    _, _, cues = draw_lexicon(np.random.default_rng(0))
    sides: list[list[bool]] = [[], []]  # whether a decoy is of the article's class: before, after
    for words, label, (marker, cue, _) in zip(texts, labels, cue_places(texts), strict=True):
        for place, word in enumerate(words):
            if place != cue and word in np.ravel(cues):
                sides[place > marker].append(word in cues[label])
    assert DECOYS - 0.5 < sum(map(len, sides)) / len(texts) < DECOYS  # some fall on each other
    for of_the_class in sides:
        assert np.mean(of_the_class) == pytest.approx(0.5, abs=0.02)


def test_counting_pairs_of_neighbours_tells_no_more_than_counting_words() -> None:
    articles = corpus()
    accuracies = {}
    for longest in (1, 2):
        counts = TfidfVectorizer(ngram_range=(1, longest), sublinear_tf=True)
        train, test = counts.fit_transform(articles.train[0]), counts.transform(articles.test[0])
        model = LogisticRegression(C=1).fit(train, articles.train[1])
        accuracies[longest] = model.score(test, articles.test[1])
    assert 0.6 < accuracies[1] < 0.7
    assert accuracies[2] < accuracies[1] + 0.01


def test_lengths_vary_evenly_by_half_of_the_mean_length() -> None:
    texts, _ = words_and_labels(corpus(length=100, cue_distance=5, marker_distance=20))
    lengths = [len(words) for words in texts]
    assert (min(lengths), max(lengths)) == (50, 150)
    assert np.mean(lengths) == pytest.approx(100, rel=0.02)


def test_where_the_cue_is_far_lengths_vary_less_about_the_same_mean() -> None:
    texts, _ = words_and_labels(
        corpus(articles=2000, length=450, cue_distance=400, marker_distance=3)
    )
    lengths = [len(words) for words in texts]
    assert (min(lengths), max(lengths)) == (406, 494)
    assert np.mean(lengths) == pytest.approx(450, rel=0.02)


def test_a_cue_that_is_farther_than_the_articles_are_long_is_refused() -> None:
    assert corpus(articles=20, length=48, cue_distance=40, marker_distance=5)
    with pytest.raises(ConfigError, match=r"length=47 .*cue_distance=40 .*_distance=5.*least 48"):
        Demo(length=47, cue_distance=40, marker_distance=5)


def test_noise_flips_that_share_of_the_labels_and_changes_no_text() -> None:
    (clean_texts, clean), (texts, noisy) = (
        words_and_labels(corpus(noise=noise)) for noise in (0.0, 0.1)
    )
    assert texts == clean_texts
    assert np.mean(np.not_equal(clean, noisy)) == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize("how", [{}, {"folds": 4, "fold": 1}, {"resample": 3}])
def test_the_best_possible_accuracy_is_that_of_the_clean_labels(how: dict[str, int]) -> None:
    clean, noisy = (
        resplit(corpus(articles=400, noise=noise), Splitting(**how), seed=5) for noise in (0.0, 0.1)
    )
    told = {
        text: label
        for texts, labels in (clean.train, clean.test)
        for text, label in zip(texts, labels, strict=True)
    }
    texts, labels = noisy.test
    assert clean.ceiling == 1
    assert noisy.ceiling == pytest.approx(
        np.mean([told[text] for text in texts] == np.array(labels))
    )


def test_words_follow_zipfs_law() -> None:
    texts, _ = words_and_labels(corpus())
    counts = [
        count for _, count in Counter(word for words in texts for word in words).most_common()
    ]
    ranks = np.arange(20, WORDS // 2)
    slope, _ = np.polyfit(np.log(ranks), np.log(np.array(counts)[ranks]), 1)
    assert slope == pytest.approx(-1, abs=0.15)

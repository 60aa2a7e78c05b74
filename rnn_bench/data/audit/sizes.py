"""Count the articles and words of a corpus, by split and class."""

import numpy as np
from numpy.typing import NDArray

from rnn_bench.data.audit.results import Histogram, SplitSizes, WordCounts
from rnn_bench.data.corpus import Articles

BINS = 30


def split_sizes(articles: Articles) -> dict[str, SplitSizes]:
    """Return the sizes of `train` and `test`. All histograms have the same edges."""
    train, test = _word_counts(articles.train[0]), _word_counts(articles.test[0])
    edges = _edges(int(max(train.max(), test.max())))
    return {
        "train": _sizes(train, articles.train[1], articles.classes, edges),
        "test": _sizes(test, articles.test[1], articles.classes, edges),
    }


def _sizes(
    words: NDArray[np.int64], labels: list[int], classes: tuple[str, ...], edges: NDArray[np.int64]
) -> SplitSizes:
    of_class = {name: words[np.array(labels) == label] for label, name in enumerate(classes)}
    return SplitSizes(
        articles=len(words),
        classes={name: len(own) for name, own in of_class.items()},
        words={name: _distribution(own, edges) for name, own in of_class.items() if len(own)},
    )


def _distribution(words: NDArray[np.int64], edges: NDArray[np.int64]) -> WordCounts:
    shortest, q25, median, q75, longest = np.quantile(words, [0, 0.25, 0.5, 0.75, 1]).tolist()
    histogram = Histogram(edges.tolist(), np.histogram(words, edges)[0].tolist())
    return WordCounts(shortest, q25, median, q75, longest, float(words.mean()), histogram)


def _edges(longest: int) -> NDArray[np.int64]:
    """Return edges in words, evenly spaced on a logarithmic scale, because the lengths of articles
    span several orders of magnitude."""
    spaced = np.geomspace(1, max(1, longest) + 1, BINS).round().astype(np.int64)
    return np.unique([0, *spaced])


def _word_counts(texts: list[str]) -> NDArray[np.int64]:
    return np.array([len(text.split()) for text in texts], dtype=np.int64)

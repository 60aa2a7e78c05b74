"""Find the single words that tell the most of an article's class, and how far they come alone."""

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float, Int
from scipy.sparse import csc_array, csr_array, vstack

from rnn_bench.data.audit.probes import logistic_regression, score
from rnn_bench.data.audit.results import ProbeResult, TellingWord, TellingWords
from rnn_bench.data.corpus import Articles
from rnn_bench.data.vocabulary import Tokens, tokenize

WORDS = 5  # of a class: so few that a reader can judge each of them
BLOCK = 5_000  # texts at a time
LEVEL = 0.01  # of the tests of all words for all classes together
NAME = "telling words"
WHAT = (
    f"Which of the {WORDS} most telling words of each class the prepared text has, with logistic "
    "regression."
)


def find_telling_words(articles: Articles, kind: str) -> TellingWords:
    """Return the words that tell the most of each class, chosen by the training articles alone,
    and the test accuracy of a classifier that sees only which of these words an article has.

    `kind` is the value of `protocol.tokens` by which texts are cut into words.
    """
    train, test = (tokenize(texts, kind) for texts, _ in (articles.train, articles.test))
    labels, test_labels = (np.array(split[1]) for split in (articles.train, articles.test))
    classes = len(articles.classes)
    words = train.words.filter(pc.not_equal(train.words, ""))
    counts = _count(_presences(train, words), labels, classes)
    telling = _most_telling(counts, labels)
    chosen = sorted({word for of_class in telling for word in of_class})
    words = words.take(pa.array(chosen, pa.int64()))
    splits = [
        (vstack([*_presences(tokens, words)]), own)
        for tokens, own in ((train, labels), (test, test_labels))
    ]
    if chosen:
        probe = score(NAME, WHAT, logistic_regression(), *splits)
    else:
        probe = ProbeResult(NAME, WHAT, missing="no word tells more than chance might")
    shares = [
        of_split
        for presence, own in splits
        for of_split in _shares(_count([presence], own, classes).toarray(), own)
    ]
    listed = {
        name: [
            TellingWord(
                words[i].as_py(), telling[each][chosen[i]], *(_known(of[each, i]) for of in shares)
            )
            for i in map(chosen.index, telling[each])
        ]
        for each, name in enumerate(articles.classes)
    }
    return TellingWords(tokens=kind, words=listed, probe=probe)


def information(
    having: Int[np.ndarray, " words"], total: Int[np.ndarray, " words"], size: int, articles: int
) -> Float[np.ndarray, " words"]:
    """Return the mutual information, in bits, of an article's having each word and being of a class
    (Manning, Raghavan and Schütze 2008, Introduction to Information Retrieval, equation 13.17).

    Args:
        having, total: the number of articles of the class, and of all, that have the word.
        size, articles: the number of articles of the class, and of all.
    """
    from scipy.special import rel_entr

    rest = total - having
    joint = np.array([[having, size - having], [rest, articles - size - rest]]) / articles
    independent = joint.sum(axis=0, keepdims=True) * joint.sum(axis=1, keepdims=True)
    bits: Float[np.ndarray, " words"] = rel_entr(joint, independent).sum(axis=(0, 1)) / math.log(2)
    return bits


def _most_telling(
    counts: csr_array, labels: Int[np.ndarray, " articles"]
) -> list[dict[int, float]]:
    """Return for each class the words that stand in more of its articles than of the others' and
    tell the most of it, with how many bits.

    `counts` has how many articles of each class have each word. Words that chance may have chosen
    are left out: 2 N ln 2 times the information is the likelihood ratio statistic of independence
    (Dunning 1993, Computational Linguistics 19(1)), with one degree of freedom; the level is
    divided by the number of words and classes (Bonferroni).
    """
    from scipy.stats import chi2

    counts.sort_indices()  # of equally telling words those that appear first are taken
    classes, words = counts.shape
    total, sizes = counts.sum(axis=0), np.bincount(labels, minlength=classes)
    least = chi2.isf(LEVEL / max(1, classes * words), df=1) / (2 * len(labels) * math.log(2))
    found = []
    for each in range(classes):
        own = counts[[each]]
        of_all, size = total[own.indices], int(sizes[each])
        bits = information(own.data, of_all, size, len(labels))
        bits[own.data * len(labels) <= of_all * size] = 0
        best = np.argsort(-bits, kind="stable")[:WORDS]
        found.append({int(own.indices[i]): float(bits[i]) for i in best if bits[i] > least})
    return found


def _presences(tokens: Tokens, words: Any) -> Iterator[csc_array]:
    """Yield a row for each text, with a 1 in the column of each of `words` that it has; some texts
    at a time, because all of them would take more memory than the texts."""
    others = len(words)  # the column of all other words
    column = pc.fill_null(pc.index_in(tokens.words, value_set=words), others).to_numpy()
    for start in range(0, len(tokens.lengths), BLOCK):
        offsets = tokens.offsets[start : start + BLOCK + 1]
        columns = column[tokens.ids[offsets[0] : offsets[-1]]]
        parts = np.ones(len(columns), dtype=np.int8), columns, offsets - offsets[0]
        found = csr_array(parts, shape=(len(offsets) - 1, others + 1)).tocsc()
        found.sum_duplicates()
        found.data[:] = 1
        yield found[:, :others]


def _count(
    presences: Iterable[Any], labels: Int[np.ndarray, " articles"], classes: int
) -> csr_array:
    """Return how many articles of each class have each word, as a row for each class.

    `presences` are the articles' rows, as of `_presences`, some at a time.
    """
    counts: Any = 0
    start = 0
    for presence in presences:
        texts = presence.shape[0]
        parts = np.ones(texts, np.int64), (labels[start : start + texts], np.arange(texts))
        counts = csr_array(parts, shape=(classes, texts)) @ presence + counts
        start += texts
    return counts


def _shares(
    counts: Int[np.ndarray, "classes words"], labels: Int[np.ndarray, " articles"]
) -> tuple[Float[np.ndarray, "classes words"], Float[np.ndarray, "classes words"]]:
    """Return the share of each class's articles that have each word, and of the others'; nan where
    there are no articles."""
    sizes = np.bincount(labels, minlength=len(counts))[:, None]
    with np.errstate(invalid="ignore"):
        return counts / sizes, (counts.sum(axis=0) - counts) / (len(labels) - sizes)


def _known(share: float) -> float | None:
    return None if math.isnan(share) else float(share)

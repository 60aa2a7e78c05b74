"""Articles of a corpus that stand in it more than once: to the letter, or nearly."""

import zlib
from collections.abc import Sequence
from typing import Any

from rnn_bench.data.corpus import Articles

SHINGLE_WORDS = 5
THRESHOLD = 0.8
# A pair at the threshold shares one of 16 bands of 4 hash values with probability
# 1 - (1 - 0.8^4)^16 = 0.9998 (Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, 3.4.2).
BANDS, ROWS = 16, 4
METHOD = (
    f"Jaccard similarity of at least {THRESHOLD} between sets of {SHINGLE_WORDS}-word shingles; "
    f"candidates by MinHash LSH ({BANDS} bands of {ROWS} values), each verified exactly"
)


def exact_duplicates(articles: Articles) -> tuple[dict[str, int], list[int]]:
    """Articles whose texts are equal, character by character.

    Returns:
        counts: `within_train` and `within_test` are the articles beyond the first of each group of
            equal texts in a split; `test_in_train` the test articles whose text is a training
            article's; `contradicting` the articles of both splits whose text also stands somewhere
            with another label.
        the positions of the test articles of `test_in_train`.
    """
    (train, train_labels), (test, test_labels) = articles.train, articles.test
    known = set(train)
    repeated = [position for position, text in enumerate(test) if text in known]
    labels: dict[str, set[int]] = {}
    labelled = [*zip(train, train_labels, strict=True), *zip(test, test_labels, strict=True)]
    for text, label in labelled:
        labels.setdefault(text, set()).add(label)
    return {
        "within_train": len(train) - len(known),
        "within_test": len(test) - len(set(test)),
        "test_in_train": len(repeated),
        "contradicting": sum(len(labels[text]) > 1 for text, _ in labelled),
    }, repeated


def near_duplicates(articles: Articles) -> tuple[dict[str, Any], list[int]]:
    """Articles that are near duplicates of others and not equal to them.

    Returns:
        counts, with `threshold` and `method`: `within_train` and `within_test` are a split's
            different texts that are near to one before them in it; `test_in_train` the test
            articles that are near to a training article and equal to none.
        the positions of the test articles of `test_in_train`.
    """
    train, test = articles.train[0], articles.test[0]
    texts = [*dict.fromkeys([*train, *test])]
    known, tested = set(train), set(test)
    near = {"train": set[str](), "test": set[str](), "across": set[str]()}
    for later, earlier in near_pairs(texts):
        one, other = texts[earlier], texts[later]
        if one in known and other in known:
            near["train"].add(other)
        if one in tested and other in tested:
            near["test"].add(other)
        if one in known and other not in known:
            near["across"].add(other)
    across = [position for position, text in enumerate(test) if text in near["across"]]
    return {
        "threshold": THRESHOLD,
        "method": METHOD,
        "within_train": len(near["train"]),
        "within_test": len(near["test"]),
        "test_in_train": len(across),
    }, across


def near_pairs(texts: Sequence[str]) -> list[tuple[int, int]]:
    """The pairs of texts, later position first, whose shingles have a Jaccard similarity of at
    least the threshold. A text without words is near to none.

    MinHash: Broder, On the resemblance and containment of documents, 1997; banding and shingles:
    Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, chapter 3.
    """
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(num_perm=BANDS * ROWS, params=(BANDS, ROWS))
    worded = [position for position, text in enumerate(texts) if text.split()]
    sketches = MinHash.generator(
        (shingles(texts[position]) for position in worded),
        num_perm=BANDS * ROWS,
        hashfunc=zlib.crc32,  # MinHash mixes it further; SHA-1 takes longer than all the rest
    )
    pairs = []
    for later, sketch in zip(worded, sketches, strict=True):
        candidates = index.query(sketch)
        own = shingles(texts[later]) if candidates else set()
        pairs += [
            (later, earlier)
            for earlier in sorted(candidates)
            if jaccard(own, shingles(texts[earlier])) >= THRESHOLD
        ]
        index.insert(later, sketch)
    return pairs


def shingles(text: str) -> set[bytes]:
    """Each run of five successive words; the whole of a shorter text."""
    words = text.split()
    starts = range(max(1, len(words) - SHINGLE_WORDS + 1))
    return {" ".join(words[i : i + SHINGLE_WORDS]).encode("utf-8", "surrogatepass") for i in starts}


def jaccard(one: set[bytes], other: set[bytes]) -> float:
    """|A and B| / |A or B|."""
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared)

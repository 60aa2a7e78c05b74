"""Count the articles of a corpus whose texts are equal or similar."""

import zlib
from collections.abc import Sequence

from rnn_bench.data.audit.results import ExactDuplicates, NearDuplicates
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


def exact_duplicates(articles: Articles) -> tuple[ExactDuplicates, list[int]]:
    """Return the counts of equal texts, and the positions in the test file of the articles whose
    text is a training article's."""
    (train, train_labels), (test, test_labels) = articles.train, articles.test
    train_texts = set(train)
    in_train = [position for position, text in enumerate(test) if text in train_texts]
    labels: dict[str, set[int]] = {}
    labelled = [*zip(train, train_labels, strict=True), *zip(test, test_labels, strict=True)]
    for text, label in labelled:
        labels.setdefault(text, set()).add(label)
    counts = ExactDuplicates(
        within_train=len(train) - len(train_texts),
        within_test=len(test) - len(set(test)),
        test_in_train=len(in_train),
        contradicting=sum(len(labels[text]) > 1 for text, _ in labelled),
    )
    return counts, in_train


def near_duplicates(articles: Articles) -> tuple[NearDuplicates, list[int]]:
    """Return the counts of similar texts, and the positions in the test file of the articles that
    are similar to a training article and equal to none."""
    train, test = articles.train[0], articles.test[0]
    texts = [*dict.fromkeys([*train, *test])]
    train_texts, test_texts = set(train), set(test)
    within_train, within_test, across = set[str](), set[str](), set[str]()
    for later, earlier in near_pairs(texts):
        one, other = texts[earlier], texts[later]
        if one in train_texts and other in train_texts:
            within_train.add(other)
        if one in test_texts and other in test_texts:
            within_test.add(other)
        if one in train_texts and other not in train_texts:
            across.add(other)
    near_train = [position for position, text in enumerate(test) if text in across]
    counts = NearDuplicates(
        threshold=THRESHOLD,
        method=METHOD,
        within_train=len(within_train),
        within_test=len(within_test),
        test_in_train=len(near_train),
    )
    return counts, near_train


def near_pairs(texts: Sequence[str]) -> list[tuple[int, int]]:
    """Return the positions (later, earlier) of every two texts whose shingles have a Jaccard
    similarity of at least the threshold. A text without words is similar to none.

    MinHash: Broder, On the resemblance and containment of documents, 1997; banding and shingles:
    Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, chapter 3.
    """
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(num_perm=BANDS * ROWS, params=(BANDS, ROWS))
    worded = [position for position, text in enumerate(texts) if text.split()]
    sketches = MinHash.generator(
        (shingles(texts[position]) for position in worded),
        num_perm=BANDS * ROWS,
        hashfunc=zlib.crc32,  # MinHash mixes it further; SHA-1, its default, is far slower
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
    """Return every five consecutive words of a text, or the whole of a shorter text."""
    words = text.split()
    starts = range(max(1, len(words) - SHINGLE_WORDS + 1))
    return {" ".join(words[i : i + SHINGLE_WORDS]).encode("utf-8", "surrogatepass") for i in starts}


def jaccard(one: set[bytes], other: set[bytes]) -> float:
    """Return the Jaccard similarity |A and B| / |A or B|."""
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared)

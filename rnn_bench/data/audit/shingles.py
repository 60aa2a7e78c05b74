"""Turn texts into sets of shingles, every five consecutive words, which are compared as hashes."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.sparse import csr_array

from rnn_bench.data.vocabulary import tokenize

SHINGLE_WORDS = 5
# Of 64-bit hashes that are as good as random, as many bits tell a text's shingles apart; the others
# hold its position in a block of texts.
HASH_BITS, BLOCK = 52, 1 << 9
SEED = 0

Positions = NDArray[np.int64]


class Shingles:
    """The shingles of texts. A text of one to four words is one shingle, filled up with blanks; one
    without words has none.

    Only the words are kept, as integers: hashes of shingles are computed when they are needed, a
    block of texts at a time, because they would take more memory than the texts.

    Attributes:
        counts: the number of shingles of each text, the same ones counted again.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        tokens = tokenize(texts, "whitespace")
        none = pc.index(tokens.words, "").as_py()  # what a text without words has as its only one
        lengths = np.where(tokens.ids[tokens.offsets[:-1]] == none, 0, tokens.lengths)
        blanks = np.where(lengths > 0, np.maximum(SHINGLE_WORDS - lengths, 0), 0)
        blank = len(tokens.words)
        self._words = np.insert(
            tokens.ids[tokens.ids != none], lengths.cumsum().repeat(blanks), blank
        )
        self._offsets = np.append(0, (lengths + blanks).cumsum())
        random = np.random.default_rng(SEED)
        self._word_hashes = random.integers(2**64, size=blank + 1, dtype=np.uint64)
        self._factors = random.integers(2**64, size=SHINGLE_WORDS, dtype=np.uint64) | np.uint64(1)
        self.counts = np.maximum(np.diff(self._offsets) - SHINGLE_WORDS + 1, 0)

    def hashes(self, texts: Positions) -> NDArray[np.uint64]:
        """Return the hashes of the shingles of some texts, end to end and in order."""
        counts = self.counts[texts]
        starts = np.repeat(self._offsets[texts] - counts.cumsum() + counts, counts)
        starts += np.arange(len(starts))
        found = np.zeros(len(starts), dtype=np.uint64)
        for factor in self._factors:
            found += self._word_hashes[self._words[starts]] * factor
            starts += 1
        return found

    def sets(self, texts: Positions) -> "csr_array":
        """Return a row for each of up to `BLOCK` texts, whose columns are its different shingles'
        hashes."""
        rows = np.repeat(np.arange(len(texts), dtype=np.uint64), self.counts[texts])
        tagged = (rows << np.uint64(HASH_BITS)) | (self.hashes(texts) >> np.uint64(64 - HASH_BITS))
        tagged.sort()
        tagged = tagged[np.r_[True, tagged[1:] != tagged[:-1]][: len(tagged)]]
        rows = (tagged >> np.uint64(HASH_BITS)).astype(np.int64)
        columns = (tagged & np.uint64((1 << HASH_BITS) - 1)).astype(np.int64)
        starts = np.searchsorted(rows, np.arange(len(texts) + 1))
        return csr_array(
            (np.ones(len(columns), dtype=np.int8), columns, starts),
            shape=(len(texts), 1 << HASH_BITS),
        )

    def sizes(self, texts: Positions) -> Positions:
        """Return the number of different shingles of each of up to `BLOCK` texts."""
        return np.asarray(np.diff(self.sets(texts).indptr), dtype=np.int64)

    def jaccard(self, ones: Positions, others: Positions) -> NDArray[np.float64]:
        """Return the Jaccard similarity |A and B| / |A or B| of each text of `ones` and the text
        of `others` at the same place."""
        found = [np.zeros(0)]
        for start in range(0, len(ones), BLOCK // 2):
            pairs = np.stack([part[start : start + BLOCK // 2] for part in (ones, others)])
            texts, rows = np.unique(pairs, return_inverse=True)
            sets = self.sets(texts)
            one, other = rows.reshape(pairs.shape)
            shared = common(sets, sets, one, other)
            sizes = np.diff(sets.indptr)
            found.append(shared / np.maximum(sizes[one] + sizes[other] - shared, 1))
        return np.concatenate(found)


def common(
    sets: "csr_array", other_sets: "csr_array", rows: Positions, other_rows: Positions
) -> Positions:
    """Return the number of columns that each of `rows` has in common with the row of the other
    matrix at the same place of `other_rows`."""
    both = sets[rows].multiply(other_sets[other_rows])
    return np.asarray(np.diff(both.indptr), dtype=np.int64)


def blocks(texts: Positions, size: int = BLOCK) -> Iterator[Positions]:
    """Yield the texts, `size` at a time."""
    for start in range(0, len(texts), size):
        yield texts[start : start + size]

"""Find for each text one before it that is a near duplicate, in time that grows with the texts and
not with their pairs.

Texts of one template, such as letters that differ in a name, are all candidates of each other. So a
text is compared with its nearest candidates first, which are near duplicates in most files; what is
left of a large group of candidates is joined by its rarest shingles.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from rnn_bench.data.audit.join import NONE, join
from rnn_bench.data.audit.shingles import Positions, Shingles, blocks

THRESHOLD = 0.8
# A pair at the threshold shares one of 16 bands of 4 hash values with probability
# 1 - (1 - 0.8^4)^16 = 0.9998 (Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, 3.4.2).
BANDS, ROWS = 16, 4
SEED = 1
CANDIDATES = BANDS  # of a text in a band that are compared one by one
AT_ONCE = 50_000  # texts of which all candidates are in memory
SKETCHED = 50_000  # shingles at once, which stay in the processor's cache

Mask = NDArray[np.bool_]


def band_keys(shingles: Shingles) -> NDArray[np.uint64]:
    """Return a key for each text and band [texts, BANDS]: texts with an equal key in a band are
    candidates for being near duplicates.

    MinHash: Broder, On the resemblance and containment of documents, 1997; banding and shingles:
    Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, chapter 3.
    """
    random = np.random.default_rng(SEED)
    factors, terms = random.integers(2**64, size=(2, BANDS, ROWS), dtype=np.uint64)
    keys = np.zeros((len(shingles.counts), BANDS), dtype=np.uint64)
    worded = np.flatnonzero(shingles.counts)
    for texts in blocks(worded, 1 + SKETCHED * len(worded) // (1 + int(shingles.counts.sum()))):
        hashes = shingles.hashes(texts)
        counts = shingles.counts[texts]
        starts = counts.cumsum() - counts
        for band in range(BANDS):
            for factor, term in zip(factors[band] | np.uint64(1), terms[band], strict=True):
                least = np.minimum.reduceat((hashes * factor + term) >> np.uint64(32), starts)
                keys[texts, band] = (keys[texts, band] ^ least) * factor
    return keys


def earlier_neighbours(
    shingles: Shingles, keys: NDArray[np.uint64], asking: Mask, witnesses: Mask
) -> Positions:
    """Return for each of the `asking` texts a near duplicate among the `witnesses` before it, or
    NONE: one alone, and no list of all pairs, which of 100,000 similar texts are five billion."""
    found = np.full(len(keys), NONE)
    crowded = np.zeros(len(keys), dtype=bool)
    family = np.arange(len(keys))
    worded = np.flatnonzero((shingles.counts > 0) & (asking | witnesses))
    for band in range(BANDS):
        order = worded[np.argsort(keys[worded, band], kind="stable")]
        band_key = keys[order, band]
        first = np.r_[True, band_key[1:] != band_key[:-1]][: len(order)]
        group = first.cumsum() - 1
        before = witnesses[order].cumsum() - witnesses[order]  # witnesses, in this order
        candidates = before - before[first][group]
        listed = order[witnesses[order]]
        asked = np.flatnonzero(asking[order] & (found[order] == NONE) & (candidates > 0))
        large = candidates > CANDIDATES
        # Of many candidates one is compared in each band, and in each another one.
        nearest, reach = np.where(large, band + 1, 1), np.where(large, 0, candidates)
        for some in blocks(asked, AT_ONCE):
            _compare(shingles, order[some], listed[before[some] - nearest[some]], found)
            some = some[found[order[some]] == NONE]
            steps = np.repeat(before[some] - 1, reach[some]) - _counted(reach[some])
            ones, others = np.repeat(order[some], reach[some]), listed[steps]
            new = (keys[ones, :band] != keys[others, :band]).all(axis=1)
            _compare(shingles, ones[new], others[new], found)
        crowded[order[asked[large[asked]]]] = True
        linked = np.isin(group, group[large])
        family = _merged(family, order[linked], order[first][group[linked]])
    _find_in_families(shingles, family, crowded & (found == NONE), witnesses, found)
    return found


def _compare(shingles: Shingles, ones: Positions, others: Positions, found: Positions) -> None:
    """Fill `found` for the texts of `ones` with the near ones of `others` at the same place."""
    near = shingles.jaccard(ones, others) >= THRESHOLD
    found[ones[near]] = others[near]


def _counted(lengths: Positions) -> Positions:
    """Return 0, 1, ... up to each length, end to end."""
    return np.arange(lengths.sum()) - np.repeat(lengths.cumsum() - lengths, lengths)


def _merged(family: Positions, ones: Positions, others: Positions) -> Positions:
    """Return the first text of each text's family, when these pairs of texts are of one family."""
    count = len(family)
    rows, columns = np.r_[np.arange(count), ones], np.r_[family, others]
    links = coo_array((np.ones(len(rows), dtype=np.int8), (rows, columns)), shape=(count, count))
    numbers = connected_components(links, directed=False)[1]
    first: Positions = np.unique(numbers, return_index=True)[1][numbers].astype(np.int64)
    return first


def _find_in_families(
    shingles: Shingles, family: Positions, asking: Mask, witnesses: Mask, found: Positions
) -> None:
    """Fill `found` for the `asking` texts, each from its family, a large group of candidates.

    Texts are joined with those of similar size alone, because others cannot be near duplicates.
    """
    members = np.flatnonzero((asking | witnesses) & np.isin(family, np.unique(family[asking])))
    sizes = np.zeros(len(family))
    sizes[members] = np.concatenate([[], *map(shingles.sizes, blocks(members))])
    for number in np.unique(family[asking]):
        own = members[family[members] == number]
        asked = own[asking[own]]
        scale = (np.log(sizes[asked]) / -np.log(THRESHOLD)).astype(int)
        for step in np.unique(scale):
            texts = asked[scale == step]
            fit = sizes[own] >= THRESHOLD * sizes[texts].min()
            fit &= sizes[own] * THRESHOLD <= sizes[texts].max()
            found[texts] = join(shingles, texts, own[fit & witnesses[own]])

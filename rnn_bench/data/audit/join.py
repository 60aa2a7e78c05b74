"""Find near duplicates in a large group of texts that have most of their shingles in common.

Of two sets, the difference from a third one says as much as the sets: |A ^ B| = |A' ^ B'| for
A' = A ^ T and B' = B ^ T. With the shingles of most texts of the group as T, the differences are
small, and two texts are near duplicates if their differences are small enough or have enough in
common. For that they must share one of their rarest, as many as the rest of a difference cannot
make up for (prefix filtering: Chaudhuri, Ganti and Kaushik, A primitive operator for similarity
joins in data cleaning, 2006). No pair is missed, and few are compared that are not near.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from rnn_bench.data.audit.shingles import Positions, Shingles, blocks, common

NONE = -1
# Sets have a Jaccard similarity of at least 0.8 = (k - 1) / (k + 1) if k |A ^ B| <= |A| + |B|.
K = 9
PRODUCTS = 5_000_000  # of entries of two prefixes, and pairs, that are in memory at once
PAIRS = 50_000
SMALLEST_GROUP = 500  # of texts of similar slack


def join(shingles: Shingles, asking: Positions, witnesses: Positions) -> Positions:
    """Return for each of the `asking` texts a near duplicate among the `witnesses` before it, or
    NONE."""
    texts = np.union1d(asking, witnesses)
    differences, sizes = _differences(shingles, texts)
    differing = np.diff(differences.indptr).astype(np.int64)
    # Texts x and y are near if slack[x] + slack[y] + 2 K |X' & Y'| >= 0.
    slack = sizes - K * differing
    asked, others = np.searchsorted(texts, asking), np.searchsorted(texts, witnesses)
    best = _best_before(slack, others)
    near = np.append(slack, np.iinfo(np.int64).min // 2)[best[asked]] + slack[asked] >= 0
    found = np.where(near, best[asked], NONE)
    rest = np.flatnonzero(~near)
    if len(rest) and len(others):
        found[rest] = _sharing(differences, slack, asked[rest], others)
    return np.where(found == NONE, NONE, texts[found])


def _differences(shingles: Shingles, texts: Positions) -> tuple["csr_array", Positions]:
    """Return a row for each text, which has its difference from what most texts have, in columns
    from the rarest to the most frequent; and the number of each text's shingles."""
    columns, counts = np.unique(
        np.concatenate([shingles.sets(block).indices for block in blocks(texts)]),
        return_counts=True,
    )
    usual = np.flatnonzero(counts > len(texts) / 2)
    counts[usual] = len(texts) - counts[usual]
    rank = np.empty(len(columns), dtype=np.int32)
    rank[np.argsort(counts, kind="stable")] = np.arange(len(columns))
    rows, indices, sizes = [], [], []
    for block in blocks(texts):
        sets = shingles.sets(block)
        size = np.diff(sets.indptr)
        row = np.repeat(np.arange(len(block)), size)
        column = np.searchsorted(columns, sets.indices)
        is_usual = np.isin(column, usual)
        missing = np.ones((len(block), len(usual)), dtype=bool)
        missing[row[is_usual], np.searchsorted(usual, column[is_usual])] = False
        missing_row, missing_column = missing.nonzero()
        row = np.r_[row[~is_usual], missing_row]
        own = rank[np.r_[column[~is_usual], usual[missing_column]]]
        order = np.lexsort((own, row))
        rows.append(np.bincount(row, minlength=len(block)))
        indices.append(own[order])
        sizes.append(size)
    found = np.concatenate(indices)
    starts = np.r_[0, np.concatenate(rows).cumsum()]
    shape = (len(texts), max(len(columns), 1))
    entries = np.ones(len(found), dtype=np.int32)
    return csr_array((entries, found, starts), shape=shape), np.concatenate(sizes).astype(np.int64)


def _best_before(slack: Positions, others: Positions) -> Positions:
    """Return for each text the one of `others` before it whose slack is largest, or NONE."""
    value = np.full(len(slack), np.iinfo(np.int64).min)
    value[others] = slack[others]
    highest = np.maximum.accumulate(value)
    is_highest = np.zeros(len(slack), dtype=bool)
    is_highest[others] = value[others] == highest[others]
    best = np.maximum.accumulate(np.where(is_highest, np.arange(len(slack)), NONE))
    return np.append(NONE, best[:-1])


def _sharing(
    differences: "csr_array", slack: Positions, asked: Positions, others: Positions
) -> Positions:
    """Return for each of `asked` a near one of `others` before it, or NONE. All of them have to
    share a part of their difference to be near."""
    found = np.full(len(slack), NONE)
    for some_others in _by_slack(others, slack):
        for some in _by_slack(asked, slack):
            texts = some[found[some] == NONE]
            if len(texts):
                _find_sharing(differences, slack, texts, some_others, found)
    return found[asked]


def _by_slack(texts: Positions, slack: Positions) -> Iterator[Positions]:
    """Yield the texts in groups, the few of largest slack alone, because these need to share less
    with others."""
    order = texts[np.argsort(-slack[texts], kind="stable")]
    size = max(SMALLEST_GROUP, len(texts) >> 6)
    while len(order):
        yield np.sort(order[:size])
        order = order[size:]
        size *= 2


def _find_sharing(
    differences: "csr_array",
    slack: Positions,
    asked: Positions,
    others: Positions,
    found: Positions,
) -> None:
    """Fill `found` for the texts of `asked` that are near to one of `others` before them."""
    prefixes = _prefixes(differences, slack, asked, slack[others].max())
    other_prefixes = _prefixes(differences, slack, others, slack[asked].max())
    frequency = np.bincount(other_prefixes.indices, minlength=differences.shape[1])
    columns = other_prefixes.T.tocsr()
    for part in _parts(prefixes @ frequency):
        shared = (prefixes[part] @ columns).tocoo()
        ones, twos = asked[part[shared.row]], others[shared.col]
        order = np.lexsort((-shared.data, ones))  # those that share most come first
        order = order[twos[order] < ones[order]]
        ones, twos = ones[order], twos[order]
        first = np.r_[True, ones[1:] != ones[:-1]][: len(ones)]
        for chosen in (first, ~first):
            for pairs in blocks(np.flatnonzero(chosen), PAIRS):
                pairs = pairs[found[ones[pairs]] == NONE]
                one, two = ones[pairs], twos[pairs]
                both = common(differences, differences, one, two)
                near = slack[one] + slack[two] + 2 * K * both >= 0
                found[one[near]] = two[near]


def _prefixes(
    differences: "csr_array", slack: Positions, texts: Positions, best: np.int64
) -> "csr_array":
    """Return the rarest part of the texts' differences, one of which a text must share with
    another of slack `best` or less to be near it."""
    rows = differences[texts]
    sizes = np.diff(rows.indptr)
    needed = np.maximum(-((slack[texts] + best) // (2 * K)), 1)
    kept = np.maximum(sizes - needed + 1, 0)
    place = np.arange(len(rows.indices)) - np.repeat(rows.indptr[:-1], sizes)
    is_kept = place < np.repeat(kept, sizes)
    starts = np.r_[0, np.minimum(kept, sizes).cumsum()]
    return csr_array((rows.data[is_kept], rows.indices[is_kept], starts), shape=rows.shape)


def _parts(work: NDArray[np.int64]) -> Iterator[Positions]:
    """Yield the positions in parts of at most `PRODUCTS` work, or of one position."""
    part = (work.cumsum() - 1) // PRODUCTS
    for number in np.unique(part):
        yield np.flatnonzero(part == number)

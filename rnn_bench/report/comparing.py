"""Compare the models of one corpus: which are better, which equivalent, and what is undecided."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import inf, nan

import numpy as np

from rnn_bench.config.report import MARGIN
from rnn_bench.report.crossed import (
    NEGLIGIBLE,
    Spread,
    mean_of_spreads,
    spread_of_difference,
    spread_over_splits,
)
from rnn_bench.report.intervals import (
    paired_equivalence_p,
    paired_interval,
    paired_p,
    paired_smallest,
    quantile,
    superiority_interval,
    tail,
)
from rnn_bench.report.outcomes import Outcomes
from rnn_bench.report.power import POWER, SIGNIFICANCE, power, smallest_shift

# Shared seeds from which pairing gains more than the lost degrees of freedom cost.
FEWEST_PAIRED = 5
MOST_SEEDS = 200  # that are worth asking for
BETTER, WORSE = "is better than", "is worse than"
EQUIVALENT, UNDECIDED = "is equivalent to", "cannot yet be told from"


@dataclass(frozen=True)
class Comparison:
    """The first model's mean minus the second's.

    Attributes:
        low, high: the ends of its 95 % confidence interval.
        p, corrected_p: of no difference; corrected by Holm over the pairs of the corpus.
        equivalence_p, corrected_equivalence_p: of a difference of at least `margin` (two one-sided
            t tests), likewise.
        smallest: the smallest difference that such a sweep finds in 80 % of cases, at the level
            that Holm's correction leaves to the pair; infinite if it finds none.
        more_seeds: about how many more seeds of each model would decide at that level, were the
            true difference the one that was found; None if no more than MOST_SEEDS would, or seeds
            do not matter.
        superiority: how often a training of the first is better than one of the second, a tie
            counting half, over all pairs of their seeds (Bouthillier et al. 2021, arXiv
            2103.03098), with its interval; None where too few seeds were trained.
        is_loss: the model with the lower mean is the better one.
        of_models: it compares trained models, and says nothing of other seeds.
        method: how the interval was computed, in words.
    """

    first: str
    second: str
    difference: float
    low: float
    high: float
    p: float
    corrected_p: float
    equivalence_p: float
    corrected_equivalence_p: float
    margin: float
    smallest: float
    more_seeds: int | None
    superiority: tuple[float, float, float] | None
    of_models: bool
    method: str
    is_loss: bool = False

    @property
    def is_different(self) -> bool:
        return self.corrected_p < SIGNIFICANCE

    @property
    def is_equivalent(self) -> bool:
        return self.corrected_equivalence_p < SIGNIFICANCE

    def relation(self, name: str) -> str:
        """Return what the model of this name is to the other: BETTER, WORSE, EQUIVALENT or
        UNDECIDED. A difference that is real and below the margin is real."""
        if self.is_different:
            better = self.first if (self.difference > 0) != self.is_loss else self.second
            return BETTER if name == better else WORSE
        return EQUIVALENT if self.is_equivalent else UNDECIDED


def compare_all(models: Sequence[Outcomes], margin: float = MARGIN) -> list[Comparison]:
    """Compare each pair of the models of one corpus. Both p-values are corrected over the pairs
    (Holm), so that all verdicts of a corpus together are wrong in at most 5 % of sweeps.

    Raises:
        ValueError: models were tested on different articles.
    """
    from statsmodels.stats.multitest import multipletests

    pairs = [_on_shared_splits(*pair) for pair in combinations(models, 2)]
    pairs = [pair for pair in pairs if pair[0].splits]
    for first, second in pairs:
        if not _same_articles(first, second):
            raise ValueError(
                f"{first.name} and {second.name} were tested on different articles: "
                f"{first.articles:,} and {second.articles:,}, whose labels differ."
            )
    if not pairs:
        return []
    spreads = [_spread_of_pair(*pair) for pair in pairs]
    found = [_compare(*pair, margin, *spread) for pair, spread in zip(pairs, spreads, strict=True)]
    different, equivalent = (
        multipletests(each, method="holm")[1].tolist()
        for each in ([each.p for each in found], [each.equivalence_p for each in found])
    )
    found = [
        replace(each, corrected_p=p, corrected_equivalence_p=q)
        for each, p, q in zip(found, different, equivalent, strict=True)
    ]
    undecided = sum(not each.is_different for each in found)
    return [
        _with_limits(each, *pair, spread, SIGNIFICANCE / (undecided + each.is_different))
        for each, pair, (spread, _) in zip(found, pairs, spreads, strict=True)
    ]


def best_of(names: Sequence[str], comparisons: Sequence[Comparison]) -> list[str]:
    """Return the models that no other one is better than. As verdicts are corrected for their
    number, the model that is truly the best is among them in at least 95 % of sweeps. Models of
    which trained ones alone are compared are not among them, unless that is true of all."""
    ranked = ranked_names(comparisons)
    worse = {
        name
        for each in comparisons
        for name in (each.first, each.second)
        if each.relation(name) == WORSE and not each.of_models
    }
    return [name for name in names if name not in worse and (name in ranked or not ranked)]


def ranked_names(comparisons: Sequence[Comparison]) -> set[str]:
    """Return the models that have enough seeds, or need none, and another such one beside them."""
    pairs = [each for each in comparisons if not each.of_models]
    return {name for each in pairs for name in (each.first, each.second)}


def is_paired(first: Outcomes, second: Outcomes) -> bool:
    """Return whether the seeds of two models are paired: both read the batches in the same order,
    and there are enough seeds for that to pay."""
    return (
        first.shares_batches
        and second.shares_batches
        and first.seeds == second.seeds
        and len(first.seeds) >= FEWEST_PAIRED
        and all(a.shape == b.shape for a, b in zip(first.splits, second.splits, strict=True))
    )


def _on_shared_splits(first: Outcomes, second: Outcomes) -> tuple[Outcomes, Outcomes]:
    """Return two models on the splits that both were tested on, as runs may have failed."""
    if first.split_names == second.split_names:
        return first, second
    shared = [name for name in first.split_names if name in second.split_names]
    return first.on(shared), second.on(shared)


def _same_articles(first: Outcomes, second: Outcomes) -> bool:
    if len(first.labels) != len(second.labels):
        return False
    return all(map(np.array_equal, first.labels, second.labels))


def _compare(
    first: Outcomes, second: Outcomes, margin: float, spread: Spread, method: str
) -> Comparison:
    difference = first.value - second.value
    only = _right_alone(first, second, spread, method)
    if only is not None:
        low, high = paired_interval(*only)
        p, equivalence_p = paired_p(*only[:2]), paired_equivalence_p(*only, margin)
        method = "McNemar"
    elif spread.error < NEGLIGIBLE:  # nothing can be said of a difference
        low = high = nan
        p = 1.0
        equivalence_p = 0.0 if first.is_loss and abs(difference) < NEGLIGIBLE else 1.0
    else:
        half = quantile(spread.freedom) * spread.error
        most = first.largest_difference
        low, high = max(-most, difference - half), min(most, difference + half)
        p = min(1.0, 2 * tail(abs(difference) / spread.error, spread.freedom))
        equivalence_p = tail((margin - abs(difference)) / spread.error, spread.freedom)
    return Comparison(
        first=first.name,
        second=second.name,
        difference=difference,
        low=low,
        high=high,
        p=p,
        corrected_p=p,
        equivalence_p=equivalence_p,
        corrected_equivalence_p=equivalence_p,
        margin=margin,
        smallest=inf,
        more_seeds=None,
        superiority=_superiority(first, second),
        of_models=first.speaks_of_models_alone or second.speaks_of_models_alone,
        method=method,
        is_loss=first.is_loss,
    )


def _with_limits(
    found: Comparison, first: Outcomes, second: Outcomes, spread: Spread, level: float
) -> Comparison:
    """Return a comparison with what would be found, and with how many more seeds, at a level: an
    undecided pair becomes a verdict by Holm's procedure where its p is below 0.05 divided by the
    number of undecided ones."""
    smallest = inf
    if spread.error >= NEGLIGIBLE:
        smallest = smallest_shift(spread.freedom, level) * spread.error
    elif not first.is_loss:
        smallest = paired_smallest(_count(first, second), level, POWER)
    seeds = None
    if not found.of_models:
        seeds = _more_seeds(first, second, found.difference, spread, level)
    if smallest >= first.largest_difference:
        smallest = inf
    return replace(found, smallest=smallest, more_seeds=seeds)


def _spread_of_pair(first: Outcomes, second: Outcomes) -> tuple[Spread, str]:
    """Return the spread of the difference of two models, and its method in a word."""
    if first.covers_splits:
        differences = np.array(
            [a.mean() - b.mean() for a, b in zip(first.splits, second.splits, strict=True)]
        )
        articles = first.articles / len(first.splits)
        spread = spread_over_splits(differences, articles, first.train_articles)
        if spread.error >= NEGLIGIBLE:  # else all splits are alike, and their articles tell more
            return spread, "splits"
    paired = is_paired(first, second)
    spreads = [
        spread_of_difference(a, b, paired) for a, b in zip(first.rows, second.rows, strict=True)
    ]
    if not (first.is_sampled or second.is_sampled):
        return mean_of_spreads(spreads), "articles"
    return mean_of_spreads(spreads), "paired seeds" if paired else "seeds"


def _right_alone(
    first: Outcomes, second: Outcomes, spread: Spread, method: str
) -> tuple[int, int, int] | None:
    """Return how many articles each of two models alone has right, and of how many; None where that
    is not all there is to say of them: they are right in a part of their trainings, or have other
    values of a metric."""
    if first.is_loss:
        return None
    is_alike = spread.error < NEGLIGIBLE
    if not is_alike and (method != "articles" or len(first.splits) > 1):
        return None
    a, b = (np.concatenate([rows.mean(0) for rows in each.splits]) for each in (first, second))
    if all(((each == 0) | (each == 1)).all() for each in (a, b)):
        return int((a > b).sum()), int((b > a).sum()), len(a)
    if (
        is_alike
        and np.abs(a - b).max(initial=0.0) < NEGLIGIBLE
        and (count := _count(first, second))
    ):
        return 0, 0, count
    return None


def _count(first: Outcomes, second: Outcomes) -> int:
    """Return how many articles the metric of two models is about."""
    counts = [each.articles if each.counted is None else each.counted for each in (first, second)]
    return round(min(counts))


def _more_seeds(
    first: Outcomes, second: Outcomes, difference: float, spread: Spread, level: float
) -> int | None:
    """Return how many more seeds of each model would find a true difference of this size in 80 % of
    sweeps at a level: 0 if there are enough; None where seeds are not what limits."""
    if first.covers_splits or not (first.is_sampled or second.is_sampled):
        return None
    sampled = [each for each in (first, second) if each.is_sampled]
    seeds = max(each.trainings for each in sampled)
    of_seeds = [
        np.mean([rows.mean(1).var(ddof=1) for rows in each.splits]) / len(each.splits)
        for each in sampled
    ]
    paired = is_paired(first, second)
    if paired:
        rows = [a - b for a, b in zip(first.splits, second.splits, strict=True)]
        of_seeds = [np.mean([each.mean(1).var(ddof=1) for each in rows]) / len(rows)]
    of_articles = max(0.0, spread.error**2 - sum(of_seeds) / seeds)

    def is_enough(more: int) -> bool:
        variances = [*map(float, of_seeds)]
        return power(difference, variances, seeds + more, of_articles, level) >= POWER

    if not is_enough(MOST_SEEDS):
        return None
    return bisect_left(range(MOST_SEEDS), True, key=is_enough)  # more seeds have more power


def _superiority(first: Outcomes, second: Outcomes) -> tuple[float, float, float] | None:
    if not all(each.is_sampled or each.is_fixed for each in (first, second)):
        return None
    a, b = (
        np.mean([rows.mean(1)[: each.trainings] for rows in each.splits], axis=0)
        for each in (first, second)
    )
    ahead = (a[:, None] < b) if first.is_loss else (a[:, None] > b)
    share = float((ahead + 0.5 * (a[:, None] == b)).mean())
    return share, *superiority_interval(share, len(a), len(b))

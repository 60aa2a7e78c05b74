"""Means with their 95 % confidence intervals, and what they cover."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp, inf, isfinite, nan, sqrt

import numpy as np
from jaxtyping import Bool, Float

from rnn_bench.evaluation.predictions import ratio_by_article
from rnn_bench.report.crossed import (
    NEGLIGIBLE,
    OnSplit,
    Spread,
    Values,
    mean_of_spreads,
    spread_of,
    spread_over_splits,
)
from rnn_bench.report.intervals import clopper_pearson, quantile, share_interval
from rnn_bench.report.outcomes import Outcomes


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % confidence interval, which is nan where nothing is known of the spread.

    `over` says in words what the interval covers: `3 seeds and 1,000 articles`. An interval that
    leaves out seeds though the model depends on them is of trained models (`of_models`).
    """

    value: float
    low: float = nan
    high: float = nan
    over: str = ""
    of_models: bool = False

    @property
    def has_interval(self) -> bool:
        return isfinite(self.low) and isfinite(self.high) and self.low < self.high


def estimate(model: Outcomes) -> Estimate:
    """Return a model's mean with an interval over seeds and articles, or over splits; over the
    articles alone where it is fixed or has too few seeds.

    The interval of a share is Wilson's with the effective size of the spread, so it lies within 0
    and 1; that of a loss is Student's t of its logarithm.
    """
    if not model.articles:
        return Estimate(nan)
    if model.counted == 0:
        return Estimate(model.value)
    low, high = (
        loss_interval(model)
        if model.is_loss
        else share_interval(model.value, *effective_size(model))
    )
    return Estimate(model.value, low, high, describe_cover(model), model.speaks_of_models_alone)


def loss_interval(model: Outcomes) -> tuple[float, float]:
    """Return the 95 % interval of a model's mean loss, by Student's t of its logarithm (losses are
    skewed) and the delta method; nan where it does not vary."""
    spread = spread_of_splits(model) or mean_of_spreads([spread_of(each) for each in model.rows])
    if spread.error < NEGLIGIBLE:
        return nan, nan
    ratio = quantile(spread.freedom) * spread.error / model.value
    return model.value * exp(-ratio), model.value * exp(ratio)


def spread_of_splits(model: Outcomes) -> Spread | None:
    """Return the spread of a model's mean over splits; None where there are too few, or all are
    alike and their articles tell more."""
    means = np.array([each.mean() for each in model.splits])
    if not model.covers_splits or np.ptp(means) < NEGLIGIBLE:
        return None
    return spread_over_splits(means, model.articles / len(means), model.train_articles)


def effective_size(model: Outcomes) -> tuple[float, float]:
    """Return how many independent answers would leave a model's mean as uncertain as it is,
    share (1 - share) / SE², at most as many as there are; and the degrees of freedom of SE, which
    articles alone do not limit, as a share decides the variance over them.

    Both are computed with two more articles, one that every training has right and one that none
    has, as in the interval of Agresti and Caffo (2000). Otherwise a few errors that stand on
    different articles by chance would make every seed's answers to an article independent.
    """
    counted = model.articles if model.counted is None else model.counted
    share, spread = model.value, spread_of_splits(model)
    if spread is None:
        rows = [with_two_more(each, counted / len(model.splits)) for each in model.rows]
        share = float(np.mean([each.mean() for each in rows]))
        spread = mean_of_spreads([spread_of(each) for each in rows])
    most = counted * model.trainings
    freedom = spread.freedom if model.covers_splits or model.is_sampled else inf
    variance = share * (1 - share)
    return (min(most, variance / spread.error**2) if spread.error else most), freedom


def with_two_more(values: Values, counted: float) -> Float[np.ndarray, "seeds more"]:
    """Return articles' values with those of two more articles, a right and a wrong answer of every
    seed. Where the mean is about `counted` of the articles alone, those that it is about count for
    more, as in `ratio_by_article`; how many they are is taken to be the same in every seed."""
    articles, share = values.shape[1], values.mean()
    new = (counted * share + 1) / (counted + 2)
    deviations = (values - new) * counted / articles
    pair = np.tile([1 - new, -new], (len(values), 1))
    return np.asarray(
        new + (articles + 2) / (counted + 2) * np.hstack([deviations, pair]), dtype=float
    )


def estimate_among(model: Outcomes, right: Sequence[OnSplit], asked: Sequence[OnSplit]) -> Estimate:
    """Return which share of some of a model's answers is right, over all seeds together, with the
    interval of `estimate`.

    `right` and `asked` are of each split, a row a seed: `asked` is 1 where the answer is one of
    them, `right` where it is also right. Splits without such an answer are left out.
    """
    shown = [number for number, some in enumerate(asked) if some.any()]
    if not shown:
        return Estimate(nan)
    splits = tuple(
        ratio_by_article(right[each].ravel(), asked[each].ravel()).reshape(asked[each].shape)
        for each in shown
    )
    labels = tuple(model.labels[each] for each in shown)
    counted = float(sum(asked[each].sum() / len(asked[each]) for each in shown))
    return estimate(replace(model, splits=splits, labels=labels, counted=counted))


def describe_cover(model: Outcomes) -> str:
    """Return what a model's interval covers: `3 seeds and 1,000 articles`."""
    articles = _count(model.articles, "article")
    if model.covers_splits:
        return f"{len(model.splits)} splits"
    return f"{model.trainings} seeds and {articles}" if model.is_sampled else articles


def share_of(correct: Bool[np.ndarray, " articles"]) -> Estimate:
    """Return a trained model's share of correct articles with Wilson's interval."""
    if not len(correct):
        return Estimate(nan)
    share = float(correct.mean())
    return Estimate(share, *share_interval(share, len(correct)), _count(len(correct), "article"))


def share_of_seeds(count: int, seeds: int) -> tuple[float, float]:
    """Return Clopper and Pearson's 95 % interval of the share of seeds that something holds for."""
    return clopper_pearson(count, seeds)


def mean_over_seeds(values: Sequence[float], is_share: bool = True) -> Estimate:
    """Return the mean of a metric over seeds with Student's t interval, cut at 0, and at 1 for a
    share.

    The interval is about other trainings on the same articles. It is nan with fewer than three
    values, and where a diverged run's value is not finite.
    """
    mean, seeds = float(np.mean(values)) if len(values) else nan, len(values)
    if seeds < 3 or not isfinite(mean):
        return Estimate(mean)
    half = quantile(seeds - 1) * float(np.std(values, ddof=1)) / sqrt(seeds)
    low, high = max(0.0, mean - half), mean + half
    return Estimate(mean, low, min(1.0, high) if is_share else high, f"{seeds} seeds")


def expected_best(values: Sequence[float]) -> list[float]:
    """Return the expected highest of n values that are drawn from the given ones with replacement,
    for n from 1 to their number: what n random trials of a search find (Dodge et al. 2019)."""
    ordered, count = np.sort(np.asarray(values, dtype=float)), len(values)
    ranks = np.arange(count + 1) / count  # the share of values up to each
    return [float(ordered @ np.diff(ranks**n)) for n in range(1, count + 1)]


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"

"""Standard errors of means over crossed seeds and test articles, and over splits.

Every training reads every test article, so a mean over both varies with the seeds, with the
articles and with their interaction. Its variance is estimated without bias from the mean squares of
an analysis of variance, as for readers and cases in diagnostic imaging (Gallas, Pennello and Myers
2007, JOSA A 24(12), doi 10.1364/JOSAA.24.000B70).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, sqrt

import numpy as np
from jaxtyping import Float

# Of one model, a row a seed: 1 where an article is correct, else 0; or values of another metric.
Values = Float[np.ndarray, "_ articles"]
OnSplit = Float[np.ndarray, "_ _"]  # values on one of several splits, which differ in size
NEGLIGIBLE = 1e-9  # standard error, or difference, that rounding alone leaves


@dataclass(frozen=True)
class Spread:
    """The standard error of a mean or a difference, and its degrees of freedom."""

    error: float
    freedom: float


def spread_of(values: Values) -> Spread:
    """Return the spread of a model's mean over seeds and articles; with one row over articles
    alone.

    The squared standard error is s²/S + max(0, var/n - MS/(S n)): s² the variance of the seeds'
    means, var that of the articles' means, MS the mean square of their interaction.
    """
    return _combine([_seed_part(values)], values.mean(0), [values])


def spread_of_difference(first: Values, second: Values, is_paired: bool) -> Spread:
    """Return the spread of the difference of two models' means on the same articles.

    Seeds are paired where row s of both shares its order of batches; the variance over seeds is
    then that of their differences. Otherwise the two models' variances over seeds are added.
    """
    if is_paired:
        return spread_of(first - second)
    parts = [_seed_part(each) for each in (first, second)]
    return _combine(parts, first.mean(0) - second.mean(0), [first, second])


def spread_over_splits(
    values: Float[np.ndarray, " splits"], test_articles: float, train_articles: float
) -> Spread:
    """Return the spread of a mean over splits of one corpus, whose training articles overlap: the
    variance over J splits times 1/J + test_articles/train_articles, with J - 1 degrees of freedom
    (Nadeau and Bengio 2003, doi 10.1023/A:1024068626366)."""
    factor = 1 / len(values) + test_articles / train_articles
    return Spread(sqrt(factor * float(values.var(ddof=1))), len(values) - 1)


def mean_of_spreads(spreads: Sequence[Spread]) -> Spread:
    """Return the spread of the mean of independent means."""
    parts = [((each.error / len(spreads)) ** 2, each.freedom) for each in spreads]
    return _add(parts)


def interaction(values: Values) -> float:
    """Return the mean square of the interaction of seeds and articles; 0 with one seed or one
    article."""
    seeds, articles = values.shape
    if seeds < 2 or articles < 2:
        return 0.0
    rest = values - values.mean(1, keepdims=True) - values.mean(0) + values.mean()
    return float((rest**2).sum() / ((seeds - 1) * (articles - 1)))


def _seed_part(values: Values) -> tuple[float, float]:
    """Return the variance that the seeds bring to a model's mean, and its degrees of freedom."""
    seeds = len(values)
    if seeds < 2:
        return 0.0, inf
    return float(values.mean(1).var(ddof=1)) / seeds, seeds - 1


def _combine(
    seed_parts: Sequence[tuple[float, float]],
    by_article: Float[np.ndarray, " articles"],
    models: Sequence[Values],
) -> Spread:
    """Return the spread of seeds and articles together.

    Its degrees of freedom are the parts' harmonic mean, weighted by their shares of the variance:
    to first order Student's t is then Cochran's mean of the two parts' critical values (1964).
    Satterthwaite's weights, the squared shares, give too many where a few seeds happen to agree.
    """
    seeds, articles = _add(seed_parts), len(by_article)
    if articles < 2:
        return seeds
    noise = sum(interaction(each) / each.size for each in models)
    of_articles = max(0.0, float(by_article.var(ddof=1)) / articles - noise)
    whole = seeds.error**2 + of_articles
    doubt = seeds.error**2 / seeds.freedom + of_articles / (articles - 1)
    return Spread(sqrt(whole), whole / doubt if doubt else inf)


def _add(parts: Sequence[tuple[float, float]]) -> Spread:
    """Return the spread whose variance is the sum of the parts (variance, degrees of freedom),
    with Satterthwaite's degrees of freedom."""
    whole = sum(variance for variance, _ in parts)
    doubt = sum(variance**2 / freedom for variance, freedom in parts)
    return Spread(sqrt(whole), whole**2 / doubt if doubt else inf)

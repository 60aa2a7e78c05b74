"""Confidence intervals and significance tests of test accuracies.

Everything holds for one split of a corpus: no number covers the variation that another choice of
training and test articles would bring.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import inf, isfinite, nan, sqrt

import numpy as np
from jaxtyping import Bool, Float, Shaped

CONFIDENCE = 0.95
SIGNIFICANCE = 0.05
RESAMPLES = 10_000
CHUNK = 2**22  # article weights held at once
BETTER, WORSE, UNDECIDED = "is better than", "is worse than", "cannot be told apart from"
ONE_SEED = (
    "With one seed this compares two trained models, not the architectures. Use 3 seeds or more "
    "to rank them."
)


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % confidence interval over `n` seeds or test articles (`unit`). The
    interval is nan where the spread is unknown; `method` says in words how it was computed."""

    value: float
    low: float
    high: float
    n: int
    method: str
    unit: str = "seeds"


@dataclass(frozen=True)
class Correctness:
    """Which test articles the models of one configuration classify correctly, a row a seed.

    `key` is the config key, `labels` are the articles' true classes. `is_random` is False for
    models whose seed should not matter.
    """

    name: str
    key: str
    labels: Shaped[np.ndarray, " articles"]
    correct: Bool[np.ndarray, "seeds articles"]
    is_random: bool = True

    @property
    def is_fixed(self) -> bool:
        """Whether all seeds give the same model. A user's own baseline may differ by seed."""
        return not self.is_random and bool((self.correct == self.correct[0]).all())

    @property
    def repetitions(self) -> Bool[np.ndarray, "repetitions articles"]:
        """The rows of different trainings: one if all seeds give the same model."""
        return self.correct[:1] if self.is_fixed else self.correct

    @property
    def is_single(self) -> bool:
        """Whether the model depends on the seed, and was trained with one."""
        return not self.is_fixed and len(self.correct) == 1


@dataclass(frozen=True)
class Comparison:
    """The accuracy of the first model minus that of the second.

    Attributes:
        low, high: the ends of its 95 % confidence interval.
        corrected_p: `p` after Holm's correction over the pairs of one corpus.
        probability: how often a training of the first beats one of the second: the share of pairs
            of seeds, where a tie counts half (Bouthillier et al. 2021, arXiv 2103.03098).
        one_seed: a model that depends on the seed was trained with one only.
        seeds: in words, how many trainings of each model.
    """

    first: str
    second: str
    difference: float
    low: float
    high: float
    p: float
    corrected_p: float
    probability: float
    one_seed: bool
    method: str
    seeds: str
    articles: int

    @property
    def is_significant(self) -> bool:
        return self.corrected_p < SIGNIFICANCE

    def relation(self, name: str) -> str:
        """Return what the model of this name is to the other: BETTER, WORSE or UNDECIDED."""
        if not self.is_significant:
            return UNDECIDED
        better = self.first if self.difference > 0 else self.second
        return BETTER if name == better else WORSE


def mean_over_seeds(values: Sequence[float]) -> Estimate:
    """Return the mean of a metric over the seeds of a configuration, with Student's t interval.

    The interval is about other trainings on the same articles, and knows no bounds such as 1. It
    is nan with one value, and where a diverged run's value is not finite.
    """
    from scipy.stats import t

    n, mean = len(values), float(np.mean(values))
    if n == 1:
        return Estimate(mean, nan, nan, n, "one seed, no interval")
    half = nan
    if isfinite(mean):
        half = float(t.isf((1 - CONFIDENCE) / 2, n - 1) * np.std(values, ddof=1)) / sqrt(n)
    method = f"Student's t interval over {n} seeds"
    return Estimate(mean, mean - half, mean + half, n, method)


def within_shares(estimate: Estimate) -> Estimate:
    """Return the estimate with its interval cut to 0..1."""
    low, high = np.clip([estimate.low, estimate.high], 0, 1).tolist()  # nan stays nan
    return replace(estimate, low=low, high=high)


def share_of_articles(correct: Bool[np.ndarray, " articles"]) -> Estimate:
    """Return a trained model's accuracy with Wilson's interval over the articles; nan without
    articles."""
    from scipy.stats import binomtest

    n, right = len(correct), int(correct.sum())
    if n == 0:
        return Estimate(nan, nan, nan, 0, "no articles", "test articles")
    interval = binomtest(right, n).proportion_ci(CONFIDENCE, method="wilson")
    method = f"Wilson interval over {n:,} test articles"
    low, high = float(interval.low), float(interval.high)
    return Estimate(right / n, low, high, n, method, "test articles")


def accuracy_of(model: Correctness) -> Estimate:
    """Return a model's mean accuracy, with an interval over seeds; over articles where there is
    one training."""
    if len(model.repetitions) > 1:
        return within_shares(mean_over_seeds(model.correct.mean(1).tolist()))
    share = share_of_articles(model.repetitions[0])
    why = "all seeds give the same model" if model.is_fixed else "one seed: other seeds may differ"
    return replace(share, method=f"{share.method} ({why})")


def compare_all(models: Sequence[Correctness], resamples: int = RESAMPLES) -> list[Comparison]:
    """Compare each pair of the models of one corpus; p-values are corrected over the pairs (Holm).

    Seeds and articles are crossed: every training reads every article. Both are resampled, the
    articles the same for all models, so that pairs stay pairs. For crossed factors no bootstrap
    is exact, and this one overstates the variance a little (Owen and Eckles 2012,
    doi 10.1214/12-AOAS547). With few seeds it would understate it, by the factor (S - 1)/S for S
    of them, and its percentiles lack the wider tails that a spread estimated from few values asks
    for (Hesterberg 2015, doi 10.1080/00031305.2015.1089789): where two to five seeds decide most
    of the accuracy, 95 % percentile intervals hold the truth in 81 to 88 % of simulated cases. So
    S - 1 of S seeds are drawn (Rao and Wu 1988, doi 10.1080/01621459.1988.10478591), and interval
    and p-value are Student's t with the bootstrap's standard error and the degrees of freedom of
    Welch and Satterthwaite; those hold it in 95 to 98 % there, and in more where seeds decide
    little.

    Where all seeds give the same model it counts once, so that only articles are resampled for
    it. Two models with one training each get the exact McNemar test instead, and an interval over
    articles, unless neither depends on the seed.

    The weights of the articles depend on their number and a model's seed weights on its key, so
    that results neither depend on the other models nor change from call to call.

    Raises:
        ValueError: models were tested on different articles.
    """
    from statsmodels.stats.multitest import multipletests

    for model in models:
        if not np.array_equal(model.labels, models[0].labels):
            raise ValueError(
                f"{models[0].name} and {model.name} were tested on different articles: "
                f"{len(models[0].labels):,} and {len(model.labels):,}, whose labels differ."
            )
    pairs = list(combinations(range(len(models)), 2))
    if not pairs:
        return []
    resampled = _resampled_accuracies(models, resamples)
    comparisons = [
        _compare(models[i], models[j], resampled[i] - resampled[j], resamples) for i, j in pairs
    ]
    corrected, words = [each.p for each in comparisons], "splits fixed"
    if len(pairs) > 1:
        corrected = multipletests(corrected, method="holm")[1].tolist()
        words = f"Holm over {len(pairs)} pairs; {words}"
    return [
        replace(each, corrected_p=p, method=f"{each.method}; {words}")
        for each, p in zip(comparisons, corrected, strict=True)
    ]


def _resampled_accuracies(
    models: Sequence[Correctness], resamples: int
) -> list[Float[np.ndarray, " resamples"]]:
    """Return each model's mean accuracy in each resample."""
    repetitions = [model.repetitions for model in models]
    # Counts of articles are whole numbers, exact in float32 as in any order of summation.
    rows = np.concatenate(repetitions).astype(np.float32)
    articles = rows.shape[1]
    generator = np.random.default_rng(articles)
    counts = []
    for start in range(0, resamples, size := max(1, CHUNK // articles)):
        chunk = min(size, resamples - start)
        draws = generator.integers(articles, size=(chunk, articles))
        draws += articles * np.arange(chunk)[:, None]
        weights = np.bincount(draws.ravel(), minlength=chunk * articles)
        counts.append(rows @ weights.reshape(chunk, articles).T.astype(np.float32))
    right = np.split(
        np.concatenate(counts, axis=1).astype(np.float64),
        np.cumsum([len(each) for each in repetitions])[:-1],
    )
    accuracies = []
    for model, of_model in zip(models, right, strict=True):
        seeds = len(of_model)
        drawn_seeds = max(1, seeds - 1)
        own = np.random.default_rng([*model.key.encode()])
        times = own.multinomial(drawn_seeds, [1 / seeds] * seeds, size=resamples)
        accuracies.append((times * of_model.T).sum(1) / (drawn_seeds * articles))
    return accuracies


def _compare(
    first: Correctness,
    second: Correctness,
    resampled: Float[np.ndarray, " resamples"],
    resamples: int,
) -> Comparison:
    """Compare two models without correction; `resampled` are differences of accuracies."""
    from scipy.stats import t

    a, b = first.repetitions, second.repetitions
    by_article = a.mean(0) - b.mean(0)
    difference = float(a.mean() - b.mean())
    standard_error = float(resampled.std(ddof=1))
    freedom = _degrees_of_freedom([a.mean(1), b.mean(1), by_article])
    half = standard_error * float(t.isf((1 - CONFIDENCE) / 2, freedom))
    if len(a) == len(b) == 1 and (first.is_single or second.is_single):
        p = _mcnemar(a[0], b[0])
    elif standard_error:
        p = float(2 * t.sf(abs(difference) / standard_error, freedom))
    else:  # no spread at all: the sign test, of articles that all favour the same model or none
        p = min(1.0, 2 * 0.5 ** len(by_article)) if difference else 1.0
    right_a, right_b = a.sum(1)[:, None], b.sum(1)
    return Comparison(
        first=first.name,
        second=second.name,
        difference=difference,
        low=max(-1.0, difference - half),
        high=min(1.0, difference + half),
        p=p,
        corrected_p=p,
        probability=float(((right_a > right_b) + 0.5 * (right_a == right_b)).mean()),
        one_seed=first.is_single or second.is_single,
        method=_method(first, second, resamples),
        seeds=f"{_count_trainings(first)} and {_count_trainings(second)}",
        articles=len(by_article),
    )


def _degrees_of_freedom(samples: Sequence[Float[np.ndarray, "_"]]) -> float:
    """Return the degrees of freedom of the sum of the samples' means (Satterthwaite 1946, doi
    10.2307/3002019)."""
    parts = [
        (float(each.var(ddof=1)) / len(each), len(each) - 1) for each in samples if len(each) > 1
    ]
    whole = sum(variance for variance, _ in parts)
    return whole**2 / sum(variance**2 / n for variance, n in parts) if whole else inf


def _mcnemar(first: Bool[np.ndarray, " articles"], second: Bool[np.ndarray, " articles"]) -> float:
    """Return the exact p-value of two trained models on the same articles."""
    from statsmodels.stats.contingency_tables import mcnemar

    table = [[int((f & s).sum()) for s in (second, ~second)] for f in (first, ~first)]
    return float(mcnemar(table, exact=True).pvalue)


def _method(first: Correctness, second: Correctness, resamples: int) -> str:
    models = (first, second)
    repeated = [model.name for model in models if len(model.repetitions) > 1]
    times = f"{resamples:,} resamples"
    if repeated:
        words = (
            f"hierarchical bootstrap over seeds of {' and of '.join(repeated)} and test articles"
        )
        words += f" ({times}), Student's t with its standard error"
    elif any(model.is_single for model in models):
        words = f"exact McNemar test, interval from a bootstrap over test articles ({times})"
    else:
        words = f"bootstrap over test articles only ({times}), "
        words += "Student's t with its standard error"
    for model in models:
        if model.is_fixed:
            words += f", {model.name} without randomness"
        elif model.is_single:
            words += f", {model.name} with one seed"
    return words


def _count_trainings(model: Correctness) -> str:
    return "1 fit" if model.is_fixed else str(len(model.repetitions))


def expected_best(values: Sequence[float]) -> list[float]:
    """Return the expected highest of n values that are drawn from the given ones with replacement,
    for n from 1 to their number: what n random trials of a search find (Dodge et al. 2019)."""
    ordered, count = np.sort(np.asarray(values, dtype=float)), len(values)
    ranks = np.arange(count + 1) / count  # the share of values up to each
    return [float(ordered @ np.diff(ranks**n)) for n in range(1, count + 1)]

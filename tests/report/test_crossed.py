"""Standard errors over seeds and articles, against values computed by other code."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from jaxtyping import Float
from scipy import stats

from rnn_bench.report.crossed import (
    Spread,
    interaction,
    mean_of_spreads,
    spread_of,
    spread_of_difference,
    spread_over_splits,
)

# The check of shared/statistics.md: 1/27 by analysis of variance and by Gallas' U-statistic.
FIRST = np.array([[*map(float, row)] for row in ("111110", "111100", "111011")])
SECOND = np.array([[*map(float, row)] for row in ("100110", "000110", "100011")])

Rows = Float[np.ndarray, "seeds articles"]


def u_statistic(first: Rows, second: Rows) -> float:
    """The variance of the difference of two models by Gallas' U-statistics: products of values that
    share a seed, an article, both or neither."""

    def moments(a: Rows, b: Rows, same_seeds: bool) -> tuple[float, float, float, float]:
        found: list[list[float]] = [[], [], [], []]
        for s in range(len(a)):
            for r in range(len(b)):
                for i in range(a.shape[1]):
                    for j in range(b.shape[1]):
                        which = 2 * (not same_seeds or s != r) + (i != j)
                        found[which].append(a[s, i] * b[r, j])
        return tuple(float(np.mean(each)) if each else 0.0 for each in found)  # type: ignore[return-value]

    seeds, articles = first.shape

    def part(a: Rows, b: Rows, same_seeds: bool) -> float:
        same, article, seed, neither = (
            (m := moments(a, b, same_seeds))[0],
            m[2],
            m[1],
            m[3],
        )
        if not same_seeds:
            return (article - neither) / articles
        n, r = articles, seeds
        return (
            same / (n * r)
            + seed * (n - 1) / (n * r)
            + article * (r - 1) / (n * r)
            - neither * (n + r - 1) / (n * r)
        )

    return part(first, first, True) + part(second, second, True) - 2 * part(first, second, False)


def by_mean_squares(values: Rows) -> float:
    """The variance of a mean by the analysis of variance of a two-way table without repetition."""
    from statsmodels.formula.api import ols
    from statsmodels.stats.anova import anova_lm

    seeds, articles = values.shape
    table = {
        "value": values.ravel(),
        "seed": np.repeat(np.arange(seeds), articles),
        "article": np.tile(np.arange(articles), seeds),
    }
    squares = anova_lm(ols("value ~ C(seed) + C(article)", pd.DataFrame(table)).fit())["mean_sq"]
    return float(squares["C(seed)"] + squares["C(article)"] - squares["Residual"]) / values.size


def test_the_difference_of_the_worked_example_has_its_variance() -> None:
    assert FIRST.mean() - SECOND.mean() == pytest.approx(1 / 3)
    assert spread_of_difference(FIRST, SECOND, False).error ** 2 == pytest.approx(1 / 27)
    assert u_statistic(FIRST, SECOND) == pytest.approx(1 / 27)
    paired = spread_of_difference(FIRST, SECOND, True).error ** 2
    assert paired == pytest.approx(by_mean_squares(FIRST - SECOND))
    assert paired == pytest.approx(0.04444, abs=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_a_difference_s_variance_is_that_of_u_statistics(seed: int) -> None:
    random = np.random.default_rng(seed)
    difficulty = random.random(9)
    first, second = (
        (random.random((4, 1)) * 0.5 + difficulty > random.random((4, 9))).astype(float)
        for _ in "ab"
    )
    expected = u_statistic(first, second)
    found = spread_of_difference(first, second, False).error ** 2
    seeds_alone = sum(each.mean(1).var(ddof=1) / 4 for each in (first, second))
    assert found == pytest.approx(max(expected, seeds_alone))


@pytest.mark.parametrize("seed", range(5))
def test_a_mean_s_variance_is_that_of_an_analysis_of_variance(seed: int) -> None:
    random = np.random.default_rng(seed)
    values = random.normal(size=(5, 1)) + random.normal(size=20) + random.normal(size=(5, 20))
    assert spread_of(values).error ** 2 == pytest.approx(by_mean_squares(values))


def test_one_row_varies_by_article_alone() -> None:
    values = np.array([[0.0, 1.0, 1.0, 1.0]])
    assert spread_of(values).error == pytest.approx(values.std(ddof=1) / 2)
    assert spread_of(values).freedom == pytest.approx(3)
    assert interaction(values) == 0


def test_degrees_of_freedom_are_those_of_the_seeds_where_these_decide() -> None:
    rows = np.repeat([[0.0], [1.0], [1.0]], 500, axis=1)
    assert spread_of(rows).freedom == pytest.approx(2)
    other = np.repeat([[0.0], [0.0], [1.0]], 500, axis=1)
    assert spread_of_difference(rows, other, False).freedom == pytest.approx(4)  # as Welch's
    assert spread_of_difference(rows, other, True).freedom == pytest.approx(2)


def test_degrees_of_freedom_weigh_seeds_and_articles_by_their_variance() -> None:
    random = np.random.default_rng(0)
    values = random.normal(size=(3, 1)) * 0.1 + random.normal(size=50) + random.normal(size=(3, 50))
    of_seeds = values.mean(1).var(ddof=1) / 3
    whole = by_mean_squares(values)
    assert 0.1 < of_seeds / whole < 0.9
    expected = 1 / (of_seeds / whole / 2 + (1 - of_seeds / whole) / 49)
    assert spread_of(values).freedom == pytest.approx(expected)


def test_splits_of_one_corpus_count_less_than_as_many_corpora() -> None:
    values = np.array([0.1, 0.4, 0.2, 0.5, 0.3, 0.1, 0.4, 0.2, 0.5, 0.3])
    spread = spread_over_splits(values, 20, 80)
    assert spread.error**2 == pytest.approx(0.35 * values.var(ddof=1))
    assert spread.freedom == 9


def test_the_mean_of_two_means_has_a_quarter_of_their_variances() -> None:
    found = mean_of_spreads([Spread(3.0, 4), Spread(4.0, 4)])
    assert found.error == pytest.approx(5 / 2)
    assert found.freedom == pytest.approx(25**2 / ((9**2 + 16**2) / 4))


@settings(max_examples=50, deadline=None)
@given(
    arrays.arrays(
        np.float64,
        st.tuples(st.integers(1, 4), st.integers(1, 8)),
        elements=st.sampled_from([0, 1]),
    )
)
def test_a_spread_is_never_less_than_that_of_the_seeds(values: Rows) -> None:
    spread = spread_of(values)
    assert np.isfinite(spread.error)
    assert spread.freedom > 0
    if len(values) > 1:
        assert spread.error**2 >= values.mean(1).var(ddof=1) / len(values) - 1e-12


def test_the_standard_error_is_the_true_deviation_and_equal_models_are_rarely_told_apart() -> None:
    """Over simulated sweeps: in the mean of squares, as for an unbiased variance, and by t-tests at
    a level of 0.05."""
    random, found, spreads = np.random.default_rng(1), [], []
    for _ in range(4000):
        difficulty = random.normal(size=200)
        models = [
            (difficulty + random.normal(size=(5, 1)) * 0.2 + random.normal(size=(5, 200)) > -0.8)
            for _ in range(2)
        ]
        first, second = (each.astype(float) for each in models)
        found.append(first.mean() - second.mean())
        spreads.append(spread_of_difference(first, second, False))
    squares = [each.error**2 for each in spreads]
    assert 0.97 <= np.sqrt(np.mean(squares)) / np.std(found) <= 1.05
    limits = [each.error * stats.t.ppf(0.975, each.freedom) for each in spreads]
    assert 0.03 <= np.mean(np.abs(found) > limits) <= 0.06

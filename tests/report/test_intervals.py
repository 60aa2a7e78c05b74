"""Intervals of shares, against other code."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from rnn_bench.report.intervals import (
    clopper_pearson,
    paired_equivalence_p,
    paired_interval,
    paired_p,
    share_interval,
    superiority_interval,
)

COUNTS = st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(0, 200)).filter(sum)


def score(only_first: int, only_second: int, neither: int, delta: float) -> float:
    """Tango's score statistic, with the nuisance share found by maximizing the likelihood."""
    count = only_first + only_second + neither

    def loss(share: float) -> float:
        shares = np.array([share + delta, share, 1 - 2 * share - delta])
        counts = np.array([only_first, only_second, neither])
        return -float(np.sum(counts * np.log(np.clip(shares, 1e-300, 1))))

    ends = max(0.0, -delta), (1 - delta) / 2
    found = optimize.minimize_scalar(loss, bounds=ends, method="bounded", options={"xatol": 1e-12})
    share = found.x
    variance = count * (2 * share + delta * (1 - delta))
    return float((only_first - only_second - count * delta) / np.sqrt(variance))


@pytest.mark.parametrize(("right", "count"), [(0, 10), (3, 10), (10, 10), (970, 1000), (1, 1)])
def test_a_share_of_independent_answers_has_wilson_s_interval(right: int, count: int) -> None:
    method = "wilson" if 0 < right < count else "exact"
    expected = stats.binomtest(right, count).proportion_ci(0.95, method=method)
    found = share_interval(right / count, count)
    assert found == pytest.approx((expected.low, expected.high))
    exact = stats.binomtest(right, count).proportion_ci(0.95, method="exact")
    assert clopper_pearson(right, count) == pytest.approx((exact.low, exact.high))


@given(st.integers(0, 1000), st.floats(1, 5000), st.integers(2, 50))
@settings(max_examples=200, deadline=None)
def test_a_share_s_interval_holds_it_and_is_never_all_or_nothing(
    right: int, size: float, freedom: int
) -> None:
    share = right / 1000
    low, high = share_interval(share, size, freedom)
    assert 0 <= low <= share + 1e-9
    assert share - 1e-9 <= high <= 1
    assert 0 < high - low < 1


@given(COUNTS)
@settings(max_examples=60, deadline=None)
def test_the_paired_interval_ends_where_the_score_test_does(counts: tuple[int, int, int]) -> None:
    first, second, neither = counts
    low, high = paired_interval(first, second, sum(counts))
    assert -1 <= low <= (first - second) / sum(counts) <= high <= 1
    if first and second and neither:  # within the likelihood's bounds
        assert score(first, second, neither, low) == pytest.approx(1.959964, abs=1e-3)
        assert score(first, second, neither, high) == pytest.approx(-1.959964, abs=1e-3)


@given(COUNTS)
@settings(max_examples=200, deadline=None)
def test_mcnemar_s_test_and_its_interval_agree(counts: tuple[int, int, int]) -> None:
    first, second, _ = counts
    low, high = paired_interval(first, second, sum(counts))
    assert (paired_p(first, second) < 0.05) == (low > 0 or high < 0)


def test_mcnemar_s_score_test_is_statsmodels_without_correction() -> None:
    from statsmodels.stats.contingency_tables import mcnemar

    for first, second in ((9, 1), (3, 3), (40, 21)):
        table = [[100, first], [second, 50]]
        expected = mcnemar(table, exact=False, correction=False).pvalue
        assert paired_p(first, second) == pytest.approx(expected)
    assert paired_p(0, 0) == 1


@given(COUNTS, st.floats(0.005, 0.2))
@settings(max_examples=100, deadline=None)
def test_models_are_equivalent_where_the_90_percent_interval_is_within_the_margin(
    counts: tuple[int, int, int], margin: float
) -> None:
    first, second, neither = counts
    p = paired_equivalence_p(first, second, sum(counts), margin)
    if first and second and neither:
        below = stats.norm.sf(score(first, second, neither, -margin))
        above = stats.norm.sf(-score(first, second, neither, margin))
        assert p == pytest.approx(max(below, above), abs=1e-4)


def test_few_articles_are_never_equivalent() -> None:
    assert paired_equivalence_p(0, 0, 50, 0.01) > 0.05
    assert paired_equivalence_p(0, 0, 1000, 0.01) < 0.05


def test_the_interval_of_superiority_covers_the_truth() -> None:
    random, shift = np.random.default_rng(0), 1.0
    truth = float(stats.norm.cdf(shift / np.sqrt(2)))
    hits = 0
    for _ in range(400):
        first, second = random.normal(shift, size=5), random.normal(size=5)
        low, high = superiority_interval(float((first[:, None] > second).mean()), 5, 5)
        hits += low <= truth <= high
    assert hits / 400 > 0.92
    assert superiority_interval(1.0, 5, 5)[0] == pytest.approx(0.643, abs=0.01)
    assert superiority_interval(0.0, 5, 5)[1] == pytest.approx(0.357, abs=0.01)

"""Mean ranks over corpora, Friedman's and Nemenyi's tests, against other code and papers."""

from itertools import permutations, product
from math import sqrt

import numpy as np
import pytest
from scipy import stats

from rnn_bench.report.ranking import critical_difference, friedman_statistic, rank_models

# Demšar 2006, table 6: ranks of C4.5, with m, with cf, with both, on 14 data sets.
DEMSAR = np.array(
    [
        *([4, 3, 2, 1], [1, 2, 3, 4], [4, 1, 2, 3], [4, 1, 3, 2], [4, 2, 3, 1]),
        *([1, 2.5, 4, 2.5], [3, 2, 4, 1], [2.5, 2.5, 4, 1], [4, 3, 2, 1], [2.5] * 4),
        *([4, 2.5, 1, 2.5], [3, 2, 4, 1], [4, 1, 2, 3], [3, 1, 4, 2]),
    ],
    dtype=float,
)


def test_the_worked_example_of_demsar() -> None:
    found = rank_models(-DEMSAR)
    assert found.ranks == pytest.approx(DEMSAR)
    assert found.means == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=5e-4)
    assert found.statistic == pytest.approx(9.28, abs=0.005)
    f_statistic = 13 * found.statistic / (14 * 3 - found.statistic)
    assert f_statistic == pytest.approx(3.69, abs=0.005)
    assert found.p < stats.f.sf(3.69, 3, 39)  # which ties make too great
    assert found.critical_difference == pytest.approx(1.25, abs=0.005)
    assert found.groups == [[3, 1, 2, 0]], "Nemenyi's test finds no pair"


@pytest.mark.parametrize(
    ("models", "q"), [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (10, 3.164)]
)
def test_the_critical_values_are_those_of_demsar_s_table_5(models: int, q: float) -> None:
    found = critical_difference(models, 7) / sqrt(models * (models + 1) / 42)
    assert found == pytest.approx(q, abs=1.1e-3)


def test_friedman_s_test_is_scipy_s() -> None:
    random = np.random.default_rng(12)
    values = random.normal(size=(12, 5)) + 0.3 * np.arange(5)
    found, expected = rank_models(values), stats.friedmanchisquare(*values.T)
    assert found.statistic == pytest.approx(expected.statistic)
    f_statistic = 11 * expected.statistic / (12 * 4 - expected.statistic)
    by_f = stats.f.sf(f_statistic, 4, 4 * 11)  # Iman and Davenport 1980
    assert 0.001 < by_f < 0.5
    assert found.p == pytest.approx(by_f, abs=0.02)


def test_p_is_the_share_of_all_orders_whose_statistic_is_not_smaller() -> None:
    values = np.array([[3.0, 2, 1], [3, 2, 1], [2, 3, 1], [3, 1, 2]])
    statistic = stats.friedmanchisquare(*values.T).statistic
    orders = product(permutations((1, 2, 3)), repeat=4)
    as_great = [stats.friedmanchisquare(*zip(*o, strict=True)).statistic for o in orders]
    exact = np.mean([each >= statistic - 1e-9 for each in as_great])
    assert rank_models(values).p == pytest.approx(exact, abs=0.015)


def test_three_corpora_that_agree_have_the_exact_p() -> None:
    """One order in 36 is as extreme; F would say 0, and χ² 0.0498."""
    assert rank_models(np.array([[3.0, 2, 1]] * 3)).p == pytest.approx(1 / 36, abs=0.005)


def test_equal_models_are_rarely_told_apart() -> None:
    random = np.random.default_rng(0)
    found = [
        rank_models(random.integers(0, 9, size=(6, 4)).astype(float)).p < 0.05 for _ in range(60)
    ]
    assert sum(found) <= 8  # 3 expected; more than 8 in less than 1 % of cases


def test_tie_groups_are_the_longest_series_within_the_critical_difference() -> None:
    values = np.tile([9.0, 8, 7, 6, 5, 4], (30, 1))
    found = rank_models(values)
    assert found.critical_difference == pytest.approx(1.376, abs=0.005)
    assert found.groups == [[0, 1], [1, 2], [2, 3], [3, 4], [4, 5]]
    assert rank_models(values[:4]).groups == [[0, 1, 2, 3], [1, 2, 3, 4], [2, 3, 4, 5]]
    assert friedman_statistic(found.ranks) == pytest.approx(30 * 5), "the greatest there is"

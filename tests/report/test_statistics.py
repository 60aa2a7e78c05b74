"""Means with their intervals."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from rnn_bench.report.formatting import format_number
from rnn_bench.report.statistics import (
    Estimate,
    estimate,
    expected_best,
    mean_over_seeds,
    share_of,
    share_of_seeds,
    with_two_more,
)
from tests.report.test_comparing import answers, trained


def test_one_model_has_wilson_s_interval_over_the_articles() -> None:
    correct = np.arange(200) < 180
    expected = stats.binomtest(180, 200).proportion_ci(0.95, method="wilson")
    found = share_of(correct)
    assert found.value == 0.9
    assert found.over == "200 articles"
    assert (found.low, found.high) == pytest.approx((max(0, expected.low), expected.high))
    fixed = answers("tfidf", np.stack([correct] * 3), is_random=False)
    assert estimate(fixed) == found


def test_seeds_and_articles_widen_the_interval_together() -> None:
    articles_alone = share_of(np.arange(2000) < 1800)
    found = estimate(trained("gru", [0.9, 0.9, 0.9]))
    spread = estimate(trained("gru", [0.87, 0.9, 0.93]))
    assert found.over == "3 seeds and 2,000 articles"
    assert not found.of_models
    assert spread.high - spread.low > articles_alone.high - articles_alone.low
    assert spread.high - spread.low > found.high - found.low


@pytest.mark.parametrize("accuracies", [[0.7], [0.5, 0.95]])
def test_with_fewer_than_three_seeds_the_interval_is_of_the_trained_models(
    accuracies: list[float],
) -> None:
    found = estimate(trained("rnn", accuracies))
    assert found.of_models
    assert found.over == "2,000 articles"
    assert found.high - found.low < 0.05


def test_ten_seeds_without_an_error_say_as_much_as_their_articles() -> None:
    found = estimate(trained("gru", [1.0] * 10, articles=200))
    assert found.low == pytest.approx(0.025 ** (1 / 200), abs=1e-3)
    assert found.high == 1


def test_with_few_errors_the_interval_covers_the_accuracy() -> None:
    random, covered, threshold = np.random.default_rng(0), 0, -stats.norm.isf(0.01)
    for _ in range(500):
        latent = np.sqrt(0.75) * random.normal(size=200) + 0.5 * random.normal(size=(10, 200))
        found = estimate(answers("gru", latent > threshold))
        covered += found.low <= 0.99 <= found.high
    assert covered / 500 > 0.93


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6), st.integers(2, 60))
@settings(max_examples=100, deadline=None)
def test_no_interval_is_without_width_or_says_nothing(
    accuracies: list[float], articles: int
) -> None:
    found = estimate(trained("rnn", accuracies, articles))
    assert found.has_interval
    assert 0 <= found.low <= found.value + 1e-9
    assert found.value - 1e-9 <= found.high <= 1
    assert (found.low, found.high) != (0, 1)


def test_splits_are_covered_from_three_on() -> None:
    random = np.random.default_rng(0)
    splits = [random.random((1, 100)) < 0.8 for _ in range(10)]
    found = estimate(answers("gru", *splits, train_articles=900.0))
    means = np.array([each.mean() for each in splits])
    error = np.sqrt((1 / 10 + 100 / 900) * means.var(ddof=1))
    assert found.over == "10 splits"
    assert not found.of_models
    half = stats.t.isf(0.025, 9) * error
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.05)
    two = estimate(answers("gru", *splits[:2], train_articles=900.0))
    assert two.over == "200 articles"
    assert two.of_models


def test_without_articles_there_is_no_interval() -> None:
    assert not share_of(np.zeros(0, dtype=bool)).has_interval
    assert not Estimate(0.5).has_interval


@given(st.lists(st.floats(0, 1), min_size=3, max_size=10))
def test_the_mean_over_seeds_has_student_s_t_interval(values: list[float]) -> None:
    assume(np.std(values) > 1e-6)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    found = mean_over_seeds(values, is_share=False)
    assert found.value == pytest.approx(np.mean(values))
    assert (found.low, found.high) == pytest.approx((max(0, expected.low), expected.high))
    assert found.over == f"{len(values)} seeds"
    cut = mean_over_seeds(values)
    assert (cut.low, cut.high) == pytest.approx((max(0, expected.low), min(1, expected.high)))


@pytest.mark.parametrize("values", [[0.5], [0.5, 0.6], [0.5, np.inf, 0.4], [0.5, np.nan, 0.4], []])
def test_few_or_infinite_values_have_no_interval(values: list[float]) -> None:
    assert not mean_over_seeds(values).has_interval


def test_a_share_of_seeds_has_clopper_and_pearson_s_interval() -> None:
    assert share_of_seeds(1, 3) == pytest.approx((0.0084, 0.9057), abs=1e-4)
    assert share_of_seeds(0, 3) == pytest.approx((0, 0.7076), abs=1e-4)


def test_the_expected_best_of_a_search_is_dodge_s() -> None:
    assert expected_best([0.1, 0.2, 0.3])[1] == pytest.approx(0.24444, abs=1e-5)
    assert expected_best([0.3, 0.1, 0.2]) == pytest.approx([0.2, 0.244444, 0.266667], abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_the_expected_best_is_the_mean_over_all_draws(values: list[float]) -> None:
    drawn = [max(values[i], values[j]) for i in range(len(values)) for j in range(len(values))]
    found = [expected_best(values), expected_best(sorted(values))]
    assert found[0] == pytest.approx(found[1])
    assert found[0][0] == pytest.approx(float(np.mean(values)))
    if len(values) > 1:
        assert found[0][1] == pytest.approx(float(np.mean(drawn)))


def test_two_more_articles_are_a_right_and_a_wrong_answer_of_every_seed() -> None:
    values = np.array([[1.0, 1, 0, 1, 1], [1, 0, 0, 1, 1], [1, 1, 1, 1, 1]])
    expected = np.hstack([values, [[1, 0]] * 3])
    np.testing.assert_allclose(with_two_more(values, 5), expected)
    # The mean of a ratio over 2 of the 5 articles is that of 2 articles more, too.
    assert with_two_more(values, 2).mean() == pytest.approx((2 * values.mean() + 1) / 4)


def test_splits_that_are_alike_have_the_interval_of_their_articles() -> None:
    rows = [np.tile(np.arange(20) % 4 > 0, (3, 1))] * 4
    found = estimate(answers("gru", *rows, train_articles=60))
    wilson = stats.binomtest(60, 80).proportion_ci(method="wilson")
    assert found.low < wilson.low + 0.02
    assert found.high > wilson.high - 0.02


def test_numbers_are_written_with_places_and_huge_ones_by_powers_of_ten() -> None:
    assert format_number(12345.678, 2) == "12,345.68"
    assert format_number(5.498634e33) == "5.499e+33"
    assert format_number(math.inf) == format_number(math.nan) == ""

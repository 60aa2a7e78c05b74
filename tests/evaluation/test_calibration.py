"""Calibration, its floor, and accuracy over coverage."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from rnn_bench.evaluation.calibration import (
    accuracy_over_coverage,
    calibration_floor,
    expected_calibration_error,
)


def test_calibration_errors_cancel_within_a_bin_and_add_up_over_bins() -> None:
    confidences = np.array([0.95, 0.97, 0.61, 0.65])  # the bins end at 9/15, 10/15, ..., 1
    correct = np.array([True, False, True, False])
    expected = (abs(0.96 - 0.5) * 2 + abs(0.63 - 0.5) * 2) / 4
    assert expected_calibration_error(confidences, correct) == pytest.approx(expected)


def test_a_bin_holds_its_upper_end() -> None:
    """9/15 and a little less are one bin, in which errors cancel; a little more is the next."""
    correct = np.array([True, False])
    within = expected_calibration_error(np.array([0.6, 0.59]), correct)
    across = expected_calibration_error(np.array([0.6, 0.61]), correct)
    assert within == pytest.approx((0.59 - 0.4) / 2)
    assert across == pytest.approx((0.4 + 0.61) / 2)


@given(st.integers(1, 50))
def test_certain_and_right_is_calibrated_and_certain_and_wrong_is_not(articles: int) -> None:
    certain = np.ones(articles)
    assert expected_calibration_error(certain, np.ones(articles, dtype=bool)) == 0
    assert expected_calibration_error(certain, np.zeros(articles, dtype=bool)) == 1


@given(st.lists(st.tuples(st.floats(0.01, 1), st.booleans()), min_size=1, max_size=40))
def test_calibration_is_the_definition_s_sum_over_bins(answers: list[tuple[float, bool]]) -> None:
    confidences = np.array([confidence for confidence, _ in answers])
    correct = np.array([right for _, right in answers])
    expected = 0.0
    edges = np.linspace(0, 1, 16)
    for low, high in pairwise(edges):
        members = (confidences > low) & (confidences <= high)
        if members.any():
            gap = abs(correct[members].mean() - confidences[members].mean())
            expected += members.mean() * gap
    assert expected_calibration_error(confidences, correct) == pytest.approx(expected)


@pytest.mark.parametrize(("certainty", "articles"), [(0.7, 50), (0.97, 400)])
def test_the_floor_in_one_bin_is_the_binomial_s(certainty: float, articles: int) -> None:
    counts = np.arange(articles + 1)
    errors = np.abs(counts / articles - certainty)
    chances = stats.binom.pmf(counts, articles, certainty)
    order = errors.argsort()
    exact_high = errors[order][chances[order].cumsum() >= 0.95][0]
    found = calibration_floor(np.full(articles, certainty))
    assert found.mean == pytest.approx((errors * chances).sum(), rel=0.15)
    assert found.high == pytest.approx(exact_high, rel=0.2)


def test_the_floor_is_what_perfectly_calibrated_models_have() -> None:
    random = np.random.default_rng(1)
    certainties = random.beta(8, 1, 1000) / 2 + 0.5
    errors = [
        expected_calibration_error(certainties, random.random(1000) < certainties)
        for _ in range(400)
    ]
    found = calibration_floor(certainties)
    assert found.mean == pytest.approx(np.mean(errors), rel=0.06)
    assert np.mean([error > found.high for error in errors]) == pytest.approx(0.05, abs=0.04)
    assert calibration_floor(certainties) == found, "the same certainties have the same floor"


def test_more_articles_lower_the_floor() -> None:
    floors = [calibration_floor(np.tile([0.6, 0.8, 0.95], n)).mean for n in (30, 300, 3000)]
    assert floors[0] > 2.5 * floors[1] > 6 * floors[2]


def test_accuracy_over_coverage_is_that_of_the_most_certain_articles() -> None:
    random = np.random.default_rng(0)
    certainties, correct = random.random(50), random.random(50) < 0.7
    shares = np.arange(1, 51) / 50
    found = accuracy_over_coverage(certainties, correct, shares)
    for count, accuracy in enumerate(found, start=1):
        most_certain = np.sort(certainties)[-count]
        assert accuracy == pytest.approx(correct[certainties >= most_certain].mean())


def test_equally_certain_articles_are_taken_by_chance() -> None:
    correct = np.array([True, False, False, True, True, False])
    certainties = np.array([0.9, 0.7, 0.7, 0.7, 0.7, 0.6])
    found = accuracy_over_coverage(certainties, correct, np.array([1, 3, 5, 6]) / 6)
    assert found == pytest.approx([1, (1 + 2 * 0.5) / 3, 3 / 5, 3 / 6])
    constant = accuracy_over_coverage(np.full(6, 0.5), correct, np.array([0.1, 0.5, 1]))
    assert constant == pytest.approx([0.5, 0.5, 0.5])

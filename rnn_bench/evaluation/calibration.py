"""How well a model's certainty, its largest probability, tells right answers from wrong ones."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

BINS = 15
RESAMPLES = 500


@dataclass(frozen=True)
class CalibrationFloor:
    """The expected calibration error of a perfectly calibrated model: its mean, and the value that
    it exceeds in 5 % of cases."""

    mean: float
    high: float


def certainty_bins(certainties: Float[np.ndarray, "*shape"]) -> Int[np.ndarray, "*shape"]:
    """Return the bin m, from 0, of each certainty: m/15 < certainty <= (m + 1)/15."""
    return np.asarray(np.digitize(certainties, np.linspace(0, 1, BINS + 1)[1:-1], right=True))


def expected_calibration_error(
    certainties: Float[np.ndarray, " articles"], correct: Bool[np.ndarray, " articles"]
) -> float:
    """Return the mean distance between certainty and accuracy in 15 bins of equal width, weighted
    by their articles (Guo et al. 2017, arXiv 1706.04599, equation 3)."""
    return _error(certainty_bins(certainties), certainties, correct)


def calibration_floor(certainties: Float[np.ndarray, " articles"]) -> CalibrationFloor:
    """Return what the expected calibration error of a model with these certainties is if it is
    perfectly calibrated: each article is drawn to be right with its certainty as the probability,
    500 times (consistency resampling: Bröcker and Smith 2007, doi 10.1175/WAF993.1)."""
    random, bins = np.random.default_rng(0), certainty_bins(certainties)
    draws = (random.random(len(certainties)) < certainties for _ in range(RESAMPLES))
    errors = [_error(bins, certainties, correct) for correct in draws]
    return CalibrationFloor(float(np.mean(errors)), float(np.quantile(errors, 0.95)))


def accuracy_over_coverage(
    certainties: Float[np.ndarray, " articles"],
    correct: Bool[np.ndarray, " articles"],
    shares: Float[np.ndarray, " shares"],
) -> Float[np.ndarray, " shares"]:
    """Return the accuracy of the most certain articles, for each of these shares of all articles
    (Geifman and El-Yaniv 2017, arXiv 1705.08500). Among equally certain ones it is that of a random
    choice."""
    order = np.argsort(-certainties, kind="stable")
    right = np.r_[0, np.cumsum(correct[order])]
    is_last = np.r_[True, np.diff(certainties[order]) != 0, True]  # of equally certain articles
    counts = shares * len(correct)
    return np.asarray(np.interp(counts, np.flatnonzero(is_last), right[is_last]) / counts)


def _error(
    bins: Int[np.ndarray, " articles"],
    certainties: Float[np.ndarray, " articles"],
    correct: Bool[np.ndarray, " articles"],
) -> float:
    gaps = np.bincount(bins, weights=correct - certainties, minlength=BINS)
    return float(np.abs(gaps).sum() / len(correct))

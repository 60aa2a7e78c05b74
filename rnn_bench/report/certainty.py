"""What each model's certainty is worth: calibration, and accuracy where a model is certain."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import mean

import numpy as np
from jaxtyping import Float

from rnn_bench.evaluation.calibration import (
    BINS,
    CalibrationFloor,
    accuracy_over_coverage,
    calibration_floor,
    certainty_bins,
    expected_calibration_error,
)
from rnn_bench.evaluation.predictions import Predictions
from rnn_bench.report.analysis import Results
from rnn_bench.report.configurations import Configuration
from rnn_bench.report.crossed import OnSplit
from rnn_bench.report.outcomes import Outcomes
from rnn_bench.report.statistics import Estimate, estimate, estimate_among

CERTAIN = 0.95
FEWEST_ANSWERS = 20  # of a point of a curve
SHARES = np.linspace(0.02, 1, 50)  # of the articles, of a curve over coverage


@dataclass(frozen=True)
class Certainty:
    """The certainties of a configuration's runs that have probabilities; `splits` has for each
    split of the corpus its runs by seed, `model` their right answers."""

    configuration: Configuration
    splits: Sequence[Sequence[Predictions]]
    model: Outcomes

    @cached_property
    def certainties(self) -> list[OnSplit]:
        return [np.stack([run.certainties for run in split]) for split in self.splits]

    @property
    def runs(self) -> list[Predictions]:
        return [run for split in self.splits for run in split]

    @property
    def mean(self) -> float:
        return mean(float(run.certainties.mean()) for run in self.runs)

    @property
    def varies(self) -> bool:
        """Whether the model is more certain of some articles than of others."""
        return any(np.ptp(each) > 0 for each in self.certainties if each.size)

    @cached_property
    def error(self) -> float:
        """The mean expected calibration error of the runs."""
        return mean(expected_calibration_error(run.certainties, run.correct) for run in self.runs)

    @cached_property
    def floor(self) -> CalibrationFloor:
        """The mean of the runs' floors, of the error and of what it rarely exceeds."""
        floors = [calibration_floor(run.certainties) for run in self.runs]
        return CalibrationFloor(mean(f.mean for f in floors), mean(f.high for f in floors))

    @cached_property
    def answered(self) -> Estimate:
        """The share of articles of which the model is certain."""
        splits = tuple((each >= CERTAIN).astype(float) for each in self.certainties)
        return estimate(replace(self.model, splits=splits))

    @cached_property
    def right(self) -> Estimate:
        """The accuracy on the articles of which the model is certain."""
        return self._accuracy([each >= CERTAIN for each in self.certainties])

    @cached_property
    def reliability(self) -> list[tuple[float, Estimate]]:
        """For each bin of certainties with a few answers, their mean and the accuracy."""
        found = []
        bins = [certainty_bins(each) for each in self.certainties]
        for number in range(BINS):
            asked = [each == number for each in bins]
            inside = [c[a] for c, a in zip(self.certainties, asked, strict=True)]
            values = np.concatenate(inside)
            if len(values) >= FEWEST_ANSWERS:
                found.append((float(values.mean()), self._accuracy(asked)))
        return found

    @property
    def shares(self) -> Float[np.ndarray, " shares"]:
        """The shares of articles that have a few answers."""
        smallest = min(len(run.labels) for run in self.runs)
        return SHARES[SHARES * smallest >= min(FEWEST_ANSWERS, smallest)]

    @property
    def selective(self) -> Float[np.ndarray, " shares"]:
        """The mean accuracy of the runs on the most certain articles, for each of `shares`."""
        curves = [
            accuracy_over_coverage(run.certainties, run.correct, self.shares) for run in self.runs
        ]
        return np.asarray(np.mean(curves, axis=0))

    def _accuracy(self, asked: Sequence[np.ndarray]) -> Estimate:
        some = [each.astype(float) for each in asked]
        right = [a * correct for a, correct in zip(some, self.model.splits, strict=True)]
        return estimate_among(self.model, right, some)


def certainties(results: Results) -> list[Certainty]:
    """Return the certainties of each compared configuration with probabilities, the best first."""
    found = []
    for each in results.ordered:
        if each.key not in results.outcomes:
            continue
        outcomes = results.outcomes[each.key]
        runs = [[results.predictions[run.id] for run in split] for split in each.splits.values()]
        kept = [[row for row, run in enumerate(split) if run.has_probabilities] for split in runs]
        if not all(kept):
            continue
        splits = [[split[row] for row in rows] for split, rows in zip(runs, kept, strict=True)]
        model = replace(
            outcomes,
            splits=tuple(s[rows] for s, rows in zip(outcomes.splits, kept, strict=True)),
            seeds=tuple(outcomes.seeds[row] for row in kept[0]),
        )
        found.append(Certainty(each, splits, model))
    return found

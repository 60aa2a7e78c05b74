"""Ranking models over several corpora (Demšar 2006, JMLR 7, section 3.2.2)."""

from dataclasses import dataclass
from math import inf, sqrt

import numpy as np
from jaxtyping import Float

from rnn_bench.report.power import SIGNIFICANCE

PERMUTATIONS = 9_999


@dataclass(frozen=True)
class Ranking:
    """The ranks of models on corpora: 1 is the best, equal ones share their mean.

    Attributes:
        ranks: a row a corpus, a column a model.
        statistic: Friedman's χ².
        p: of no difference between the models.
        critical_difference: of two mean ranks, from which on they differ (Nemenyi, at 0.05).
    """

    ranks: Float[np.ndarray, "corpora models"]
    statistic: float
    p: float
    critical_difference: float

    @property
    def means(self) -> Float[np.ndarray, " models"]:
        return np.asarray(self.ranks.mean(0))

    @property
    def finds_differences(self) -> bool:
        return self.p < SIGNIFICANCE

    @property
    def groups(self) -> list[list[int]]:
        """The longest series of models, by mean rank, that are not told apart, as columns of
        `ranks`; one of all models where Friedman's test finds no difference."""
        order = [int(each) for each in np.argsort(self.means, kind="stable")]
        if not self.finds_differences:
            return [order]
        found: list[list[int]] = []
        for start, first in enumerate(order):
            near = [
                each
                for each in order[start:]
                if self.means[each] - self.means[first] < self.critical_difference
            ]
            if not found or near[-1] not in found[-1]:
                found.append(near)
        return found


def rank_models(values: Float[np.ndarray, "corpora models"]) -> Ranking:
    """Rank models by a value on each corpus, of which the highest is the best.

    Friedman's test is one of permutations: p is the share of those within corpora whose statistic
    is not smaller. So it holds for few corpora and for ties, where χ² and F are approximations.
    """
    from scipy.stats import rankdata

    ranks = np.asarray(rankdata(-values, axis=1), dtype=float)
    corpora, models = ranks.shape
    statistic = float(friedman_statistic(ranks))
    copies = np.repeat(ranks[None], PERMUTATIONS, axis=0)
    permuted = np.random.default_rng(0).permuted(copies, axis=2)
    as_great = int((friedman_statistic(permuted) >= statistic - 1e-9).sum())
    p = (1 + as_great) / (1 + PERMUTATIONS)
    return Ranking(ranks, statistic, p, critical_difference(models, corpora))


def friedman_statistic(
    ranks: Float[np.ndarray, "*draws corpora models"],
) -> Float[np.ndarray, "*draws"]:
    """Return Friedman's χ², as Demšar has it, without a correction for ties."""
    corpora, models = ranks.shape[-2:]
    spread = (ranks.mean(-2) ** 2).sum(-1) - models * (models + 1) ** 2 / 4
    return np.asarray(12 * corpora / (models * (models + 1)) * spread)


def critical_difference(models: int, corpora: int) -> float:
    """Return the difference of two mean ranks from which on Nemenyi's test tells two of so many
    models apart, at 0.05."""
    from scipy.stats import studentized_range

    q = float(studentized_range.isf(SIGNIFICANCE, models, inf)) / sqrt(2)
    return q * sqrt(models * (models + 1) / (6 * corpora))

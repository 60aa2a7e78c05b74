"""Draw simulated sweeps: what models of known accuracy answer rightly.

A model answers an article rightly with a seed where the sum of a level and of normal effects of the
article, of model and article, of the seed, and of all three is above 0 (a probit model). So the
true accuracy of a model is known exactly, and so is that of each of its trained models.
"""

from dataclasses import dataclass
from functools import cache
from math import sqrt

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from rnn_bench.report.outcomes import Outcomes

# Variances of the effects of article, of model and article, and of all three; together 1.
OF_ARTICLE, OF_MODEL_AND_ARTICLE, OF_REST = 0.65, 0.10, 0.25
EQUALLY, UNEQUALLY, MODES = "equally", "unequally", "in two modes"
SHARED, CORRELATED = "equally, in pairs", "equally, in correlated pairs"

Effects = Float[np.ndarray, "models seeds articles"]


@dataclass(frozen=True)
class Variation:
    """How seeds vary.

    Attributes:
        deviations: standard deviations of the effect of the seeds of the first, third, ... model,
            and of the others.
        has_modes: the effect is one deviation up or down, and not normal.
        correlation: of the effects of a seed on two models, which read the batches in the same
            order; None if they do not.
    """

    deviations: tuple[float, float]
    has_modes: bool = False
    correlation: float | None = None

    def draw(
        self, models: int, seeds: int, random: np.random.Generator
    ) -> Float[np.ndarray, "models seeds"]:
        """Draw the effects of seeds."""
        shared = self.correlation or 0.0
        drawn = sqrt(1 - shared) * random.standard_normal((models, seeds))
        drawn += sqrt(shared) * random.standard_normal(seeds)
        deviations = np.array([self.deviations[model % 2] for model in range(models)])
        return deviations[:, None] * (np.sign(drawn) if self.has_modes else drawn)


VARIATIONS = {
    EQUALLY: Variation((0.1, 0.1)),
    UNEQUALLY: Variation((0.2, 0.0)),
    MODES: Variation((0.25, 0.25), has_modes=True),
    SHARED: Variation((0.1, 0.1), correlation=0.0),
    CORRELATED: Variation((0.1, 0.1), correlation=0.6),
}


@dataclass(frozen=True)
class Population:
    """The models of equal accuracy that sweeps are drawn from, and their test articles."""

    variation: str
    accuracy: float
    articles: int

    def draw(
        self, models: int, seeds: int, random: np.random.Generator
    ) -> tuple[Effects, Float[np.ndarray, "models seeds"]]:
        """Draw a sweep: the sum of all effects, and those of the seeds."""

        def normal(variance: float, *shape: int) -> Float[np.ndarray, "..."]:
            return np.float32(sqrt(variance)) * random.standard_normal(shape, dtype=np.float32)

        of_seeds = VARIATIONS[self.variation].draw(models, seeds, random)
        effects = normal(OF_REST, models, seeds, self.articles)
        effects += normal(OF_ARTICLE, self.articles)
        effects += normal(OF_MODEL_AND_ARTICLE, models, 1, self.articles)
        return effects + of_seeds[:, :, None].astype(np.float32), of_seeds

    def level(self, model: int, worse: float = 0.0) -> float:
        """Return the level of a model that is worse than the population by so much."""
        variation = VARIATIONS[self.variation]
        return level_of(self.accuracy - worse, variation.deviations[model % 2], variation.has_modes)

    def outcomes(self, model: int, effects: Effects, worse: float = 0.0) -> Outcomes:
        right = (effects[model] > -self.level(model, worse)).astype(float)
        return Outcomes(
            name=str(model),
            key=str(model),
            splits=(right,),
            labels=(np.zeros(self.articles, dtype=int),),
            seeds=tuple(map(str, range(len(right)))),
            shares_batches=VARIATIONS[self.variation].correlation is not None,
        )


@cache
def level_of(accuracy: float, deviation: float, has_modes: bool) -> float:
    """Return the level at which a model has an accuracy, over all articles and seeds."""
    if not has_modes:
        return float(ndtri(accuracy) * sqrt(1 + deviation**2))

    def excess(level: float) -> float:
        return float(ndtr(level - deviation) + ndtr(level + deviation)) / 2 - accuracy

    return float(brentq(excess, -9, 9))

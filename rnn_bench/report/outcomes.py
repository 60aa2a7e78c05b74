"""What the models of one configuration score on each test article."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf

import numpy as np
from jaxtyping import Shaped

from rnn_bench.report.crossed import OnSplit

FEWEST_SEEDS = 3  # that say something of an architecture
FEWEST_SPLITS = 3  # whose variation can be estimated


@dataclass(frozen=True)
class Outcomes:
    """What the models of one configuration score on each test article: 1 where it is correct, or
    another metric's values, whose mean is the metric.

    Attributes:
        splits: for each split of the corpus its values, a row a seed; splits may differ in size.
        labels: for each split the articles' true classes.
        seeds: of the rows, in the order of the rows.
        is_random: False for models whose seed should not matter, such as baselines.
        shares_batches: the seed decides the order of batches, as for every other such model.
        train_articles: the mean number of training articles of a split.
        is_loss: the lowest mean is the best, and values may exceed 1.
        counted: of `articles`, how many the metric is about, such as those of a class; None: all.
        split_names: of the splits, where there are several.
    """

    name: str
    key: str
    splits: tuple[OnSplit, ...]
    labels: tuple[Shaped[np.ndarray, " _"], ...]
    seeds: tuple[str, ...] = ()
    is_random: bool = True
    shares_batches: bool = False
    train_articles: float = inf
    counted: float | None = None
    split_names: tuple[str, ...] = ()
    is_loss: bool = False

    def on(self, names: Sequence[str]) -> "Outcomes":
        """Return the model on some of its splits alone."""
        rows = [self.split_names.index(name) for name in names]
        counted = self.counted
        return replace(
            self,
            splits=tuple(self.splits[row] for row in rows),
            labels=tuple(self.labels[row] for row in rows),
            counted=None if counted is None else counted * len(rows) / len(self.splits),
            split_names=tuple(names),
        )

    @property
    def value(self) -> float:
        """The mean over articles, seeds and splits."""
        return float(np.mean([each.mean() for each in self.splits]))

    @property
    def largest_difference(self) -> float:
        """The largest that two models' means can differ by."""
        return inf if self.is_loss else 1.0

    @property
    def is_fixed(self) -> bool:
        """Whether all seeds give the same model. A user's own baseline may differ by seed."""
        return not self.is_random and all((each == each[0]).all() for each in self.splits)

    @property
    def trainings(self) -> int:
        """The number of different models of a split."""
        return 1 if self.is_fixed else min(map(len, self.splits))

    @property
    def is_sampled(self) -> bool:
        """Whether enough seeds were trained to say something of the architecture."""
        return not self.is_fixed and self.trainings >= FEWEST_SEEDS

    @property
    def speaks_of_models_alone(self) -> bool:
        """Whether the model depends on the seed, and has too few seeds or splits to say more than
        what its trained models do."""
        return not (self.is_fixed or self.is_sampled or self.covers_splits)

    @property
    def covers_splits(self) -> bool:
        return len(self.splits) >= FEWEST_SPLITS

    @property
    def articles(self) -> int:
        """The number of test articles of all splits."""
        return sum(map(len, self.labels))

    @property
    def rows(self) -> list[OnSplit]:
        """For each split the rows that vary by seed; one row, their mean, where nothing can be said
        of other seeds."""
        if self.is_sampled:
            return [*self.splits]
        return [each.mean(0, keepdims=True) for each in self.splits]

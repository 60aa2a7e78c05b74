"""Searches for settings that all models and corpora share, by successive halving.

Every trial is the same settings for each model on each corpus. A stage ranks its trials for each
model on each corpus by validation, and those with the best mean rank go on to more corpora and
seeds (Jamieson and Talwalkar 2016, arXiv 1502.07943).
"""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from statistics import mean
from typing import Any

from scipy.stats import rankdata

from rnn_bench.config.errors import ConfigError
from rnn_bench.config.overrides import key_of
from rnn_bench.config.search import Domain, Search, Stage
from rnn_bench.sweep.search.questions import Question, lines_of
from rnn_bench.sweep.search.studies import Trial, load_optuna, propose, show_trials

log = logging.getLogger("rnn_bench")

Make = Callable[[Sequence[Trial], Sequence[int]], None]  # makes the trials' runs of these seeds


def mean_ranks(figures: Mapping[str, Mapping[int, float]]) -> dict[int, float]:
    """Return the mean rank of each trial over models. `figures` has, by model and trial, what is
    better where it is lower; a trial that lacks one, or whose figure is not finite, ranks with the
    worst. Equal figures share their mean rank; 1 is the best."""
    numbers = sorted({number for each in figures.values() for number in each})
    ranks = []
    for each in figures.values():
        values = [each.get(number, math.inf) for number in numbers]
        ranks.append(rankdata([value if math.isfinite(value) else math.inf for value in values]))
    means = [float(mean(of)) for of in zip(*ranks, strict=True)]
    return dict(zip(numbers, means, strict=True))


def best_trials(ranks: Mapping[int, float], count: int) -> list[int]:
    """Return so many trials with the best mean ranks; of equal ones the first."""
    return sorted(ranks, key=lambda number: (ranks[number], number))[:count]


def draw(settings: Search, domains: Mapping[str, Domain]) -> Any:
    """Return a study of Optuna's with trials in its queue, drawn by chance. Those of a space that
    can be counted are different ones: equal settings would fill a stage and decide nothing.

    Raises:
        ConfigError: the space has fewer different settings than there are trials.
        UsageError: Optuna is not installed.
    """
    optuna, size = load_optuna(), math.prod(each.size for each in domains.values())
    if size < settings.trials:
        raise ConfigError(
            f"search.trials={settings.trials} is not possible with search.stages: the space has "
            f"{size:g} different settings."
        )
    by_chance = optuna.create_study(sampler=optuna.samplers.RandomSampler(settings.seed))
    study, drawn = optuna.create_study(), list[str]()
    while len(drawn) < settings.trials:
        ((proposal, values),) = propose(by_chance, domains, 1)
        if repr(values) not in drawn or size == math.inf:
            study.enqueue_trial(proposal.params)
            drawn.append(repr(values))
    return study


class Halving:
    """The stages of a search for shared settings."""

    def __init__(self, questions: Sequence[Question]) -> None:
        """Propose the trials of models that have settings.

        Raises:
            ConfigError: a stage has more corpora or seeds than the sweep, or the space has fewer
                different settings than there are trials.
            UsageError: Optuna is not installed.
        """
        self.questions, settings = questions, questions[0].config.search
        self.stages, self.made = settings.halving(), 0
        self.corpora = [*dict.fromkeys(map(corpus_of, questions))]
        self.seeds = [*questions[0].jobs]
        for number, stage in enumerate(self.stages):
            for name, swept in (("corpora", self.corpora), ("seeds", self.seeds)):
                if (asked := getattr(stage, name) or 0) > len(swept):
                    raise ConfigError(
                        f"search.stages[{number}].{name}={asked} is not possible: this sweep has "
                        f"{len(swept)}."
                    )
        own_keys = {key for each in questions for key in each.space}
        domains = {key: each for key, each in settings.domains().items() if key in own_keys}
        self.study = draw(settings, domains)
        self.trials = {
            proposal.number: [
                Trial(each, proposal, {key: values[key] for key in each.space})
                for each in questions
            ]
            for proposal, values in propose(self.study, domains, settings.trials)
        }

    def plan(self) -> list[tuple[int, list[Question], list[int]]]:
        """Return of each stage the number of its trials, its models and its seeds."""
        return [
            (
                stage.best or len(self.trials),
                self._questions(stage),
                self.seeds[: stage.seeds],
            )
            for stage in self.stages
        ]

    def runs_of(self, question: Question) -> int:
        """Return how many runs of a model the stages make. A later stage makes those that the
        stage before has not made."""
        made, total = 0, 0
        for trials, questions, seeds in self.plan():
            if question.name in {each.name for each in questions}:
                total += trials * (len(seeds) - made)
                made = len(seeds)
        return total

    def facts(self) -> list[dict[str, Any]]:
        """Return what the record keeps of the stages."""
        return [
            {
                "trials": trials,
                "models": [each.name for each in questions],
                "seeds": seeds,
                "is_over": number <= self.made,
            }
            for number, (trials, questions, seeds) in enumerate(self.plan(), start=1)
        ]

    def run(self, make: Make, note: Callable[[], None], shown_in: str, title: str) -> list[Trial]:
        """Make the stages; after each of them `note` is called. Return the best trial of the last
        one, of each model; nothing if no trial has a figure. `shown_in` is the storage for Optuna's
        dashboard, where the trials have their mean rank of the first stage."""
        going, ranks = [*self.trials], dict[int, float]()
        for number, (count, questions, seeds) in enumerate(self.plan(), start=1):
            if number > 1:
                going = best_trials(ranks, count)
            log.info(
                "Stage %d of %d: %s of %s, with %s.",
                *(number, len(self.stages), counted(len(going), "trial")),
                "1 model" if len(questions) == 1 else f"each of {len(questions)} models",
                counted(len(seeds), "seed"),
            )
            names = {each.name for each in questions}
            trials = [
                trial
                for each in going
                for trial in self.trials[each]
                if trial.question.name in names
            ]
            make(trials, seeds)
            self.made = number
            note()
            ranks = mean_ranks(self._figures(trials, seeds))
            if number == 1:
                for each, rank in ranks.items():
                    self.study.tell(each, rank)
                show_trials(self.study, shown_in, title)
        (best,) = best_trials(ranks, 1)
        return self.trials[best] if any(each.figures for each in self.trials[best]) else []

    def _questions(self, stage: Stage) -> list[Question]:
        some = self.corpora[: stage.corpora]
        return [each for each in self.questions if corpus_of(each) in some]

    def _figures(
        self, trials: Sequence[Trial], seeds: Sequence[int]
    ) -> dict[str, dict[int, float]]:
        found: dict[str, dict[int, float]] = {}
        for trial in trials:
            own = [trial.figures.get(seed, math.nan) for seed in seeds]
            found.setdefault(trial.question.name, {})[trial.number] = trial.question.sign * mean(
                own
            )
        return found


def counted(count: int, what: str) -> str:
    """Return `1 seed` or `3 seeds`."""
    return f"{count} {what}{'s' * (count != 1)}"


def corpus_of(question: Question) -> tuple[str, ...]:
    """Return what tells a model's corpus from the others of a sweep: its overrides of `dataset`."""
    lines = lines_of(question.first)
    return tuple(line for line in lines if key_of(line).partition(".")[0] == "dataset")

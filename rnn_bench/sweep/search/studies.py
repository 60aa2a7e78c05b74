"""Optuna's part of a search: it proposes the trials of each model, from the results of those
before."""

import itertools
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any

from rnn_bench.config.errors import UsageError, describe
from rnn_bench.config.search import Choices, Domain, Search
from rnn_bench.sweep.search.questions import Question

log = logging.getLogger("rnn_bench")

STORAGE = "search.db"  # Optuna's, in the output folder, for its dashboard


@dataclass
class Trial:
    """A trial of a model: the values of the searched keys, and the figure that validation chooses
    by, of each seed's run that is finished."""

    question: Question
    proposal: Any  # Optuna's trial
    values: dict[str, Any]
    figures: dict[int, float] = field(default_factory=dict)
    is_pruned: bool = False

    @property
    def number(self) -> int:
        return int(self.proposal.number)

    @property
    def is_complete(self) -> bool:
        return self.figures.keys() == self.question.jobs.keys()

    def report(self, seed: int, figure: float, pruner: str) -> None:
        """Note a seed's figure, and whether Optuna's pruner ends the trial."""
        self.figures[seed] = figure
        if pruner != "none":
            step = len(self.figures) - 1
            so_far = figure if pruner == "wilcoxon" else mean(self.figures.values())
            self.proposal.report(so_far, step)
            self.is_pruned = not self.is_complete and self.proposal.should_prune()


class Study:
    """The trials of one model on one corpus, which Optuna proposes. The same results lead to the
    same proposals."""

    def __init__(self, question: Question, sweep_id: str, output_dir: Path) -> None:
        optuna = load_optuna()
        self.question, self.settings = question, question.config.search
        self.study = optuna.create_study(
            direction="minimize" if question.sign == 1 else "maximize",
            sampler=_sampler(self.settings),
            pruner=_pruner(self.settings),
        )
        if self.settings.sampler == "grid":
            for values in _grid(question):
                self.study.enqueue_trial(values)
        self.trials: list[Trial] = []
        self._shown_as = f"{question.name} of sweep {sweep_id}"
        self._storage = storage_in(output_dir)

    @property
    def left(self) -> int:
        """The number of trials that are not proposed yet."""
        return self.question.trials - len(self.trials)

    def ask(self) -> list[Trial]:
        """Return the next batch of trials."""
        count = min(self.settings.batch, self.left)
        batch = [
            Trial(self.question, proposal, values)
            for proposal, values in propose(self.study, self.question.space, count)
        ]
        self.trials += batch
        return batch

    def tell(self, trials: Sequence[Trial]) -> None:
        """Tell Optuna the results of a batch, in the order of their numbers: the mean over seeds,
        or that the trial was pruned or failed."""
        from optuna.trial import TrialState

        for trial in trials:
            if trial.is_complete:
                self.study.tell(trial.proposal, mean(trial.figures.values()))
            else:
                ended = TrialState.PRUNED if trial.is_pruned else TrialState.FAIL
                self.study.tell(trial.proposal, state=ended)
        show_trials(self.study, self._storage, self._shown_as)

    def chosen(self) -> Trial | None:
        """Return the complete trial with the best mean figure, of equal ones the first; None if
        there is none."""
        complete = [trial for trial in self.trials if trial.is_complete]
        sign = self.question.sign
        return min(complete, key=lambda each: sign * mean(each.figures.values()), default=None)


def propose(
    study: Any, space: Mapping[str, Domain], count: int
) -> list[tuple[Any, dict[str, Any]]]:
    """Return so many trials that an Optuna study proposes, each with its values by key."""
    distributions = {key: distribution(domain) for key, domain in space.items()}
    proposals = [study.ask(distributions) for _ in range(count)]
    return [
        (
            proposal,
            {
                key: value if isinstance(domain, Choices) else domain.rounded(value)
                for key, domain in space.items()
                for value in [proposal.params[key]]
            },
        )
        for proposal in proposals
    ]


def storage_in(output_dir: Path) -> str:
    """Return the address of the storage for Optuna's dashboard."""
    return f"sqlite:///{output_dir / STORAGE}"


def show_trials(study: Any, storage: str, name: str) -> None:
    """Copy a study's new trials to the storage that Optuna's dashboard reads. Log an error as a
    warning: a search itself needs no storage."""
    import optuna

    try:
        shown = optuna.create_study(
            storage=storage, study_name=name, direction=study.direction, load_if_exists=True
        )
        shown.add_trials(study.trials[len(shown.trials) :])
    except Exception as error:
        log.warning("%s is not up to date: %s", storage, describe(error))


def load_optuna() -> Any:
    """Return Optuna, silenced.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise UsageError(
            f"A search needs Optuna, which cannot be imported: {error}. "
            "Install it with: pip install 'optuna>=5,<6'"
        ) from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def distribution(domain: Domain) -> Any:
    """Return Optuna's form of a key's domain."""
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    if isinstance(domain, Choices):
        return CategoricalDistribution(domain.values)
    if domain.whole:
        return IntDistribution(int(domain.low), int(domain.high), log=domain.log)
    return FloatDistribution(domain.low, domain.high, log=domain.log)


def _sampler(settings: Search) -> Any:
    """Return a sampler. TPE takes trials of a batch, whose results it does not know yet, for bad
    ones (constant liar), so that a batch spreads."""
    from optuna.samplers import RandomSampler, TPESampler

    if settings.sampler == "tpe":
        return TPESampler(seed=settings.seed, constant_liar=True)
    return RandomSampler(seed=settings.seed)


def _pruner(settings: Search) -> Any:
    from optuna.pruners import MedianPruner, NopPruner, WilcoxonPruner

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna calls Wilcoxon's pruner experimental
        return {"none": NopPruner, "median": MedianPruner, "wilcoxon": WilcoxonPruner}[
            settings.pruner
        ]()


def _grid(question: Question) -> Iterator[dict[str, Any]]:
    """Yield every combination of the choices, the last key's fastest."""
    lists = [each.values for each in question.space.values() if isinstance(each, Choices)]
    for values in itertools.product(*lists):
        yield dict(zip(question.space, values, strict=True))

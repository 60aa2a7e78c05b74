"""How much each searched key decides, by Optuna."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from rnn_bench.config.search import Choices, Domain
from rnn_bench.sweep.search.studies import distribution, load_optuna
from rnn_bench.tracking.trials import SearchedModel

FEWEST = 10  # trials of which this says anything


def importances(model: SearchedModel) -> dict[str, float]:
    """Return how much of the variance of a model's validation figures each searched key explains
    (`shares_explained`).

    Raises:
        UsageError: Optuna is not installed.
    """
    complete = [trial for trial in model.trials if trial.is_complete]
    return shares_explained(
        model.space, [(each.runs[0].parameters, each.figure) for each in complete]
    )


def shares_explained(
    space: Mapping[str, Domain], figures: Iterable[tuple[Mapping[str, str], float]]
) -> dict[str, float]:
    """Return how much of the variance of some figures, each of a trial with its recorded values,
    the keys of a space explain, as Optuna's fANOVA estimates it, as shares of 1, the largest first;
    nothing of too few trials or of one key.

    Raises:
        UsageError: Optuna is not installed.
    """
    optuna = load_optuna()
    study = optuna.create_study()
    distributions = {key: distribution(domain) for key, domain in space.items()}
    for recorded, figure in figures:
        values = recorded_values(space, recorded)
        if values and math.isfinite(figure):
            study.add_trial(
                optuna.trial.create_trial(params=values, distributions=distributions, value=figure)
            )
    if len(study.trials) < FEWEST or len(space) < 2:
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {key: float(share) for key, share in found.items()}


def recorded_values(
    space: Mapping[str, Domain], recorded: Mapping[str, str]
) -> dict[str, Any] | None:
    """Return a trial's value of each key of a space; None of a damaged row."""
    try:
        return {key: _value(domain, recorded[key]) for key, domain in space.items()}
    except (KeyError, ValueError):
        return None


def _value(domain: Domain, recorded: str) -> Any:
    """Return a key's value as Optuna has it, from the text that the record has."""
    if isinstance(domain, Choices):
        first, *_ = [each for each in domain.values if _is_recorded_as(each, recorded)]
        return first
    return int(recorded) if domain.whole else domain.rounded(float(recorded))


def _is_recorded_as(value: Any, recorded: str) -> bool:
    if str(value) == recorded:
        return True
    try:
        return not isinstance(value, bool | str | None) and float(value) == float(recorded)
    except ValueError:
        return False

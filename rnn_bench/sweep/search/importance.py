"""How much each searched key decides, by Optuna."""

import math
from typing import Any

from rnn_bench.config.search import Choices, Domain
from rnn_bench.sweep.search.studies import distribution, load_optuna
from rnn_bench.tracking.trials import SearchedModel

FEWEST = 10  # trials of which this says anything


def importances(model: SearchedModel) -> dict[str, float]:
    """Return how much of the variance of a model's validation figures each searched key explains,
    as Optuna's fANOVA estimates it, as shares of 1, the largest first; nothing of too few trials
    or of one key.

    Raises:
        UsageError: Optuna is not installed.
    """
    optuna = load_optuna()
    direction = "minimize" if model.sign == 1 else "maximize"
    study = optuna.create_study(direction=direction)
    distributions = {key: distribution(model.space[key]) for key in model.keys}
    for trial in model.trials:
        recorded = trial.runs[0].parameters
        try:
            values = {key: _value(model.space[key], recorded[key]) for key in model.keys}
        except (KeyError, ValueError):  # of a damaged row
            continue
        if trial.is_complete and math.isfinite(trial.figure):
            study.add_trial(
                optuna.trial.create_trial(
                    params=values, distributions=distributions, value=trial.figure
                )
            )
    if len(study.trials) < FEWEST or len(model.keys) < 2:
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {key: float(share) for key, share in found.items()}


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

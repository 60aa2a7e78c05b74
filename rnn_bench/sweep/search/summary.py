"""What a search chose, for the terminal and the report."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rich.markup import escape
from rich.table import Table

from rnn_bench.config.search import Choices, Domain
from rnn_bench.sweep.search.halving import best_trials, mean_ranks
from rnn_bench.tracking import schema
from rnn_bench.tracking.trials import SearchedModel, SearchStage

EDGE = 0.02  # share of an interval at either end
MOST_TRIALS = 10  # of the terminal's table


@dataclass(frozen=True)
class SharedTrial:
    """A trial of settings that all models share: the last stage that it was in, its mean rank there
    over models and corpora, the same for each model alone, and the recorded values of the keys."""

    number: int
    stage: int
    rank: float
    rank_by_model: Mapping[str, float]
    values: Mapping[str, str]

    def settings(self, keys: Iterable[str]) -> str:
        """Return the values of the searched keys."""
        return shown_settings(keys, self.values)


def shared_trials(
    models: Sequence[SearchedModel], stages: Sequence[SearchStage]
) -> list[SharedTrial]:
    """Return the trials of a search for shared settings by the stages that are over, those of the
    last one first, the best before the others. A trial that failed in every run is left out."""
    found: dict[int, SharedTrial] = {}
    values = shared_values(models)
    by_name = {each.name: each for each in models}
    ranks: dict[int, float] = {}
    for number, stage in enumerate(stages, start=1):
        if not stage.is_over:
            break
        going = range(stage.trials) if number == 1 else best_trials(ranks, stage.trials)
        figures: dict[str, dict[int, float]] = {}  # by model and trial
        of_cells: dict[str, dict[str, dict[int, float]]] = {}  # the same by cell
        for name in stage.models:
            own = by_name[name].figures(stage.seeds) if name in by_name else {}
            figures[name] = {trial: own.get(trial, math.nan) for trial in going}
            if name in by_name:
                cell = by_name[name].first.tags[schema.MODEL]
                of_cells.setdefault(cell, {})[name] = figures[name]
        ranks = mean_ranks(figures)
        by_cell = {cell: mean_ranks(each) for cell, each in of_cells.items()}
        for trial in values.keys() & ranks.keys():
            own_ranks = {cell: each[trial] for cell, each in by_cell.items()}
            found[trial] = SharedTrial(trial, number, ranks[trial], own_ranks, values[trial])
    return sorted(found.values(), key=lambda each: (-each.stage, each.rank, each.number))


def shared_values(models: Iterable[SearchedModel]) -> dict[int, dict[str, str]]:
    """Return by trial the recorded values of the searched keys, each from a model that has it."""
    found: dict[int, dict[str, str]] = {}
    for model in models:
        for trial in model.trials:
            recorded = trial.runs[0].parameters
            own = {key: recorded[key] for key in model.keys if key in recorded}
            found.setdefault(trial.number, {}).update(own)
    return found


def shown_settings(keys: Iterable[str], values: Mapping[str, str]) -> str:
    """Return the recorded values of some keys in words."""
    return ", ".join(f"{key}={values.get(key, '?')}" for key in keys)


def chosen_table(models: Sequence[SearchedModel]) -> Table:
    """Return a table of the searched models with what was chosen for each. It has no figure of the
    test articles."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("searched", "best settings", "trials", "best validation"):
        numbers = heading in ("trials", "best validation")
        table.add_column(heading, justify="right" if numbers else "left", overflow="fold")
    for each in models:
        table.add_row(escape(each.name), *map(escape, chosen_cells(each)))
    return table


def shared_table(trials: Sequence[SharedTrial], keys: Sequence[str]) -> Table:
    """Return a table of the best trials of the last stage that is over, the first of which is
    chosen where there is no further one."""
    last = [each for each in trials if each.stage == trials[0].stage][:MOST_TRIALS]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("trial", "mean rank", *trials[0].rank_by_model, "settings for all"):
        words = heading == "settings for all"
        table.add_column(heading, justify="left" if words else "right", overflow="fold")
    for each in last:
        ranks = [f"{rank:.2f}" for rank in (each.rank, *each.rank_by_model.values())]
        table.add_row(str(each.number), *ranks, escape(each.settings(keys)))
    return table


def stages_left(stages: Sequence[SearchStage]) -> str:
    """Return which stage of a search is the next to be made, such as `Stage 2 of 3 is not over`;
    "" if all are made."""
    made = sum(stage.is_over for stage in stages)
    return "" if made == len(stages) else f"Stage {made + 1} of {len(stages)} is not over"


def chosen_cells(model: SearchedModel) -> tuple[str, str, str]:
    """Return the settings of the trial with the best figure of validation, how many trials the
    model had, and that figure."""
    chosen = model.chosen
    trials = f"{len(model.trials)} of {model.asked}"
    if partial := sum(not trial.is_complete for trial in model.trials):
        trials += f" ({partial} ended early)"
    if chosen is None:
        return "none", trials, ""
    name = "" if model.select_by == schema.VAL_LOSS else f"{model.select_by.removeprefix('val_')} "
    settings = shown_settings(model.keys, chosen.runs[0].parameters)
    return settings, trials, f"{name}{chosen.figure:.4f}"


def advise_on_search(models: Sequence[SearchedModel]) -> list[str]:
    """Return a line for each key whose chosen value is at an edge of what was searched."""
    return _advise(
        (each.name, each.space, each.chosen.runs[0].parameters) for each in models if each.chosen
    )


def advise_on_shared(trials: Sequence[SharedTrial], models: Sequence[SearchedModel]) -> list[str]:
    """Return a line for each key whose value for all models is at an edge of what was searched."""
    space = {key: domain for each in models for key, domain in each.space.items()}
    return _advise([("all models", space, trials[0].values)])


def _advise(
    chosen: Iterable[tuple[str, Mapping[str, Domain], Mapping[str, str]]],
) -> list[str]:
    edges: dict[tuple[str, str], list[str]] = {}
    for name, space, values in chosen:
        for key, domain in space.items():
            side = _edge(domain, values.get(key, ""))
            if side:
                edges.setdefault((key, side), []).append(name)
    return [
        f"{key} was chosen at the {side} end of its space for {', '.join(names)}. "
        f"Search {'smaller' if side == 'lower' else 'larger'} values too."
        for (key, side), names in edges.items()
    ]


def _edge(domain: Domain, recorded: str) -> str:
    """Return `lower` or `upper` for a number at an edge of its domain, else "". Below 0 there is
    nothing to search."""
    try:
        value = float(recorded)
    except ValueError:
        return ""
    is_least = value == 0
    if isinstance(domain, Choices):
        numbers = [each for each in domain.values if isinstance(each, int | float)]
        if len(numbers) < max(2, len(domain.values)) or isinstance(numbers[0], bool):
            return ""
        low, high, share = min(numbers), max(numbers), 0.0
    else:
        low, high, share = domain.low, domain.high, EDGE
        if domain.log and value > 0:
            low, high, value = math.log(low), math.log(high), math.log(value)
    if not math.isfinite(value):
        return ""
    if value <= low + share * (high - low):
        return "" if is_least else "lower"
    return "upper" if value >= high - share * (high - low) else ""

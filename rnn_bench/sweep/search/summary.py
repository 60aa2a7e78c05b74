"""What a search chose, for the terminal and the report."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rich.markup import escape
from rich.table import Table

from rnn_bench.config.search import Choices, Domain
from rnn_bench.sweep.search.halving import best_trials, mean_ranks
from rnn_bench.tracking import schema
from rnn_bench.tracking.recorded_run import RecordedRun
from rnn_bench.tracking.trials import SearchedModel, SearchStage

EDGE = 0.02  # share of an interval at either end


@dataclass(frozen=True)
class SharedTrial:
    """A trial of settings that all models share: the last stage that it was in, its mean rank there
    over models and corpora, the same for each model alone, and its runs."""

    number: int
    stage: int
    rank: float
    rank_by_model: Mapping[str, float]
    runs: Sequence[RecordedRun]

    def settings(self, keys: Iterable[str]) -> str:
        """Return the values of the searched keys."""
        parameters = self.runs[0].parameters
        return ", ".join(f"{key}={parameters.get(key, '?')}" for key in keys)


def shared_trials(
    models: Sequence[SearchedModel], stages: Sequence[SearchStage]
) -> list[SharedTrial]:
    """Return the trials of a search for shared settings, those of the last stage first, the best
    before the others."""
    found: dict[int, SharedTrial] = {}
    ranks: dict[int, float] = {}
    for number, stage in enumerate(stages, start=1):
        going = best_trials(ranks, stage.trials)
        figures: dict[str, dict[str, dict[int, float]]] = {}  # by cell, model and trial
        runs: dict[int, list[RecordedRun]] = {}
        for each in models:
            if each.name not in stage.models:
                continue
            own = each.figures(stage.seeds)
            of_cell = figures.setdefault(each.first.tags[schema.MODEL], {})
            of_cell[each.name] = {
                trial: figure for trial, figure in own.items() if number == 1 or trial in going
            }
            for recorded in each.trials:
                runs.setdefault(recorded.number, []).extend(recorded.runs)
        ranks = mean_ranks({name: of for each in figures.values() for name, of in each.items()})
        by_cell = {cell: mean_ranks(of) for cell, of in figures.items()}
        for trial, rank in ranks.items():
            of_cells = {cell: of.get(trial, math.nan) for cell, of in by_cell.items()}
            found[trial] = SharedTrial(trial, number, rank, of_cells, runs[trial])
    return sorted(found.values(), key=lambda each: (-each.stage, each.rank, each.number))


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
    """Return a table of the trials that came to the last stage, the chosen one first."""
    last = [each for each in trials if each.stage == trials[0].stage]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("trial", "mean rank", *trials[0].rank_by_model, "settings for all"):
        words = heading == "settings for all"
        table.add_column(heading, justify="left" if words else "right", overflow="fold")
    for each in last:
        ranks = [f"{rank:.2f}" for rank in (each.rank, *each.rank_by_model.values())]
        table.add_row(str(each.number), *ranks, escape(each.settings(keys)))
    return table


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
    parameters = chosen.runs[0].parameters
    settings = ", ".join(f"{key}={parameters.get(key, '?')}" for key in model.keys)
    return settings, trials, f"{name}{chosen.figure:.4f}"


def advise_on_search(models: Sequence[SearchedModel]) -> list[str]:
    """Return a line for each key whose chosen value is at an edge of what was searched."""
    chosen = [(each.name, each.space, each.chosen.runs[0]) for each in models if each.chosen]
    return _advise(chosen)


def advise_on_shared(trials: Sequence[SharedTrial], models: Sequence[SearchedModel]) -> list[str]:
    """Return a line for each key whose value for all models is at an edge of what was searched."""
    space = {key: domain for each in models for key, domain in each.space.items()}
    return _advise([("all models", space, trials[0].runs[0])])


def _advise(chosen: Iterable[tuple[str, Mapping[str, Domain], RecordedRun]]) -> list[str]:
    edges: dict[tuple[str, str], list[str]] = {}
    for name, space, run in chosen:
        for key, domain in space.items():
            side = _edge(domain, run.number(key))
            if side:
                edges.setdefault((key, side), []).append(name)
    return [
        f"{key} was chosen at the {side} end of its space for {', '.join(names)}. "
        f"Search {'smaller' if side == 'lower' else 'larger'} values too."
        for (key, side), names in edges.items()
    ]


def _edge(domain: Domain, value: float) -> str:
    """Return `lower` or `upper` for a number at an edge of its domain, else "". Below 0 there is
    nothing to search."""
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

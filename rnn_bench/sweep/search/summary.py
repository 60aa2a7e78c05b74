"""What a search chose, for the terminal and the report."""

import math
from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from rnn_bench.config.search import Choices, Domain
from rnn_bench.tracking import schema
from rnn_bench.tracking.trials import SearchedModel

EDGE = 0.02  # share of an interval at either end


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
    edges: dict[tuple[str, str], list[str]] = {}
    for each in models:
        for key in each.keys if each.chosen else ():
            assert each.chosen
            side = _edge(each.space[key], each.chosen.runs[0].number(key))
            if side:
                edges.setdefault((key, side), []).append(each.name)
    return [
        f"{key} was chosen at the {side} end of its space for {', '.join(names)}. "
        f"Search {'smaller' if side == 'lower' else 'larger'} values too."
        for (key, side), names in edges.items()
    ]


def _edge(domain: Domain, value: float) -> str:
    """Return `lower` or `upper` for a number at an edge of its domain, else ""."""
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
        return "lower"
    return "upper" if value >= high - share * (high - low) else ""

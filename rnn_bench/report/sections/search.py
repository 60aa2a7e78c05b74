"""The section on what a search tried and chose."""

import math
from collections.abc import Sequence

from rnn_bench.report.analysis import Results
from rnn_bench.report.contents import Section, Table
from rnn_bench.report.figures import draw_search
from rnn_bench.report.formatting import format_number
from rnn_bench.report.statistics import expected_best
from rnn_bench.sweep.search.importance import importances
from rnn_bench.sweep.search.summary import advise_on_search, chosen_cells
from rnn_bench.tracking.trials import SearchedModel

FEW = (1, 2, 3, 5, 10, 20, 30, 50, 100)  # numbers of trials in the table


def search_section(results: Results) -> Section | None:
    """Show what was searched and chosen, how much each number of trials is expected to find, and
    which keys mattered. All of it is validation's: trials read no test articles."""
    models = results.sweep.searched_models
    if not models:
        return None
    named = [(*labels(results, each), each) for each in models]
    chosen = Table(
        "chosen",
        "What was chosen",
        ("corpus", "model", "chosen settings", "trials", "best validation"),
        [(corpus, label, *chosen_cells(each)) for corpus, label, each in named],
        words=3,
        note="The trial with the best figure of validation, the mean over a trial's seeds, is "
        "chosen, and trained again with fresh seeds. Only those runs read test articles.",
    )
    return Section(
        "search",
        "The search",
        [describe_search(results), *advise_on_search(models)],
        [chosen, expectation_table(named), *importance_tables(named)],
        [
            draw_search(
                corpus,
                {label: expected_figures(each) for of, label, each in named if of == corpus},
                results.palette,
                next(each for of, _, each in named if of == corpus).title,
            )
            for corpus in dict.fromkeys(corpus for corpus, *_ in named)
        ],
    )


def labels(results: Results, model: SearchedModel) -> tuple[str, str]:
    """Return the names of a searched model's corpus and of the model, those of its chosen
    configuration where that is trained."""
    if model.chosen:
        settings = without_seed(model.chosen.runs[0].parameters)
        for each in results.compared:
            if without_seed(each.runs[0].parameters) == settings:
                return each.corpus, each.label
    return model.first.tags["dataset"], model.name


def without_seed(parameters: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in parameters.items() if name != "seed"}


def describe_search(results: Results) -> str:
    """Return a sentence on what was searched, and how."""
    facts = results.sweep.search
    sampler = {"tpe": "Optuna's TPE", "random": "chance", "grid": "a grid"}
    pruner = facts.get("pruner", "none")
    space = "; ".join(f"{key}: {domain}" for key, domain in results.sweep.search_space.items())
    ended = f", ended early by Optuna's {pruner} pruner" if pruner != "none" else ""
    return (
        f"Trials were proposed by {sampler.get(str(facts.get('sampler')), '?')}{ended}, in {space}."
    )


def expected_figures(model: SearchedModel) -> list[float]:
    """Return the expected best figure of validation after each number of trials. A trial whose
    loss is not finite counts as the worst of the others."""
    figures = [-model.sign * trial.figure for trial in model.trials]
    worst = min(filter(math.isfinite, figures), default=math.nan)
    finite = [figure if math.isfinite(figure) else worst for figure in figures]
    return [-model.sign * value for value in expected_best(finite)]


def expectation_table(named: Sequence[tuple[str, str, SearchedModel]]) -> Table:
    longest = max(len(each.trials) for *_, each in named)
    counts = [count for count in FEW if count < longest] + [longest]
    rows = []
    for corpus, label, each in named:
        values = expected_figures(each)
        cells = [format_number(values[n - 1]) if n <= len(values) else "" for n in counts]
        rows.append((corpus, label, *cells))
    return Table(
        "expected",
        "Expected validation performance",
        ("corpus", "model", *(f"{n} trials" if n > 1 else "1 trial" for n in counts)),
        rows,
        words=2,
        note="The expected best validation figure of so many trials, drawn from those that were "
        "made (Dodge et al. 2019): what the model gives for that budget. It is exact for trials "
        "proposed by chance; a sampler that learns finds the best ones later and then faster.",
    )


def importance_tables(named: Sequence[tuple[str, str, SearchedModel]]) -> list[Table]:
    """Return a table of the importance of each key; none of too few trials."""
    found = [(corpus, label, importances(each)) for corpus, label, each in named]
    keys = list(dict.fromkeys(key for *_, shares in found for key in shares))
    if not keys:
        return []
    rows = [
        (corpus, label, *(format_number(shares.get(key, math.nan), 2) for key in keys))
        for corpus, label, shares in found
        if shares
    ]
    note = (
        "The share of the variance of the validation figures over trials that each key explains, "
        "as Optuna's fANOVA estimates it. Few trials make it rough."
    )
    columns = ("corpus", "model", *keys)
    return [Table("importance", "Which settings mattered", columns, rows, words=2, note=note)]

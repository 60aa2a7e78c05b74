"""The section on what a search tried and chose."""

import math
from collections.abc import Sequence

from rnn_bench.report.analysis import Results
from rnn_bench.report.contents import Section, Table
from rnn_bench.report.figures import draw_search, draw_settings
from rnn_bench.report.formatting import format_number
from rnn_bench.report.statistics import expected_best
from rnn_bench.sweep.search.halving import counted, mean_ranks
from rnn_bench.sweep.search.importance import importances, recorded_values, shares_explained
from rnn_bench.sweep.search.summary import (
    SharedTrial,
    advise_on_search,
    advise_on_shared,
    chosen_cells,
    shared_trials,
    stages_left,
)
from rnn_bench.tracking.trials import SearchedModel, SearchStage, searched_stages

MOST_PANELS = 6  # of the settings that explain most
FEW = (1, 2, 3, 5, 10, 20, 30, 50, 100)  # numbers of trials in the table


def search_section(results: Results) -> Section | None:
    """Show what was searched and chosen, how much each number of trials is expected to find, and
    which keys mattered. All of it is validation's: trials read no test articles."""
    models = results.sweep.searched_models
    if not models:
        return None
    if stages := searched_stages(results.sweep.search):
        trials = shared_trials(models, stages)
        return shared_section(results, models, stages, trials) if trials else None
    named = [(*labels(results, each), each) for each in best_first(models)]
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


def shared_section(
    results: Results,
    models: Sequence[SearchedModel],
    stages: Sequence[SearchStage],
    trials: Sequence[SharedTrial],
) -> Section:
    """Show the settings that all models share, of a search by successive halving."""
    left = stages_left(stages)
    keys, cells = results.sweep.searched, [*trials[0].rank_by_model]
    last = [each for each in trials if each.stage == trials[0].stage]
    best = {cell: min(last, key=lambda each: each.rank_by_model[cell]) for cell in cells}
    for_one = "; ".join(f"{cell}: trial {each.number}" for cell, each in best.items())
    ranks = Table(
        "ranks",
        "Trials by stage",
        ("settings", "trial", "stage", "mean rank", *cells),
        [
            (
                each.settings(keys),
                str(each.number),
                str(each.stage),
                *(format_number(rank, 2) for rank in (each.rank, *each.rank_by_model.values())),
            )
            for each in trials
        ],
        note="The mean rank of the validation figure, over models and corpora, among the trials of "
        "the last stage that a trial was in, and over the corpora of each model alone."
        + " The first trial is chosen for all models."
        * (not left),
    )
    values = {trial.number: trial.values for trial in trials}
    figures = {each.name: each.figures(stages[0].seeds) for each in models}
    of_stage = {name: each for name, each in figures.items() if name in stages[0].models}
    space = {  # without keys that no model has
        key: domain
        for key, domain in results.sweep.search_space.items()
        if any(key in trial.values for trial in trials)
    }
    first_ranks = mean_ranks(of_stage)
    shares = shares_explained(space, [(values[trial], rank) for trial, rank in first_ranks.items()])
    importance = Table(
        "importance",
        "Which settings mattered",
        ("key", "share"),
        [(key, format_number(share, 2)) for key, share in shares.items()],
        note="The share of the variance of the first stage's mean ranks that each key explains, as "
        "Optuna's fANOVA estimates it. Few trials make it rough.",
    )
    text = [
        describe_search(results),
        describe_stages(stages),
        f"{f'{left}; so far trial' if left else 'Trial'} {trials[0].number} has the best mean "
        f"rank: {trials[0].settings(keys)}. "
        f"The best for one model alone, of the last stage: {for_one}.",
        *([] if left else advise_on_shared(trials, models)),
    ]
    tables = [ranks, *([importance] if shares else [])]
    shown = {key: space[key] for key in (*shares, *space)[:MOST_PANELS]}
    with_values = [
        (own, first_ranks[trial.number])
        for trial in trials
        if trial.number in first_ranks and (own := recorded_values(shown, trial.values))
    ]
    drawn = [draw_settings(shown, with_values)] if with_values else []
    return Section("search", "The search", text, tables, drawn)


def describe_stages(stages: Sequence[SearchStage]) -> str:
    """Return a sentence on how many trials each stage has, of which models."""
    parts, known = list[str](), set[str]()
    for stage in stages:
        further = [name for name in stage.models if name not in known]
        also = "also " * bool(known)
        models = f"{also}for {', '.join(further)}" if further else "for the same models"
        parts.append(
            f"{counted(stage.trials, 'trial')} with {counted(len(stage.seeds), 'seed')}, {models}"
        )
        known.update(further)
    return f"By stage: {'; '.join(parts)}."


def best_first(models: Sequence[SearchedModel]) -> list[SearchedModel]:
    """Return the searched models by corpus, those whose chosen trial has the best figure first."""
    corpora = list(dict.fromkeys(each.first.tags["dataset"] for each in models))

    def order(model: SearchedModel) -> tuple[int, float]:
        figure = model.sign * model.chosen.figure if model.chosen else math.inf
        return corpora.index(model.first.tags["dataset"]), figure

    return sorted(models, key=order)


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

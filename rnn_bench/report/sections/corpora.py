"""The section that compares the same models over several corpora."""

from collections import ChainMap
from dataclasses import dataclass, replace
from itertools import combinations
from string import ascii_lowercase

import numpy as np

from rnn_bench.evaluation.metrics import title_of
from rnn_bench.report.analysis import Results
from rnn_bench.report.comparing import BETTER, EQUIVALENT, UNDECIDED, WORSE
from rnn_bench.report.configurations import Configuration
from rnn_bench.report.contents import Section, Table
from rnn_bench.report.contestants import contestants, name_colours, relation_on
from rnn_bench.report.figures_across import draw_ranks
from rnn_bench.report.formatting import format_number, format_p, join_words
from rnn_bench.report.outcomes import FEWEST_SEEDS
from rnn_bench.report.ranking import Ranking, rank_models
from rnn_bench.tracking import schema

FEWEST_CORPORA = 3  # that models are ranked over
ENOUGH_CORPORA = 5  # for more than the clearest differences
VERDICTS = (BETTER, EQUIVALENT, UNDECIDED, WORSE)


@dataclass(frozen=True)
class RankedCorpora:
    """Models that were tested on the same corpora under the same settings, the best mean rank
    first. `models` has each one's configuration by corpus; `left_out` are on some corpora alone."""

    settings: str
    corpora: list[str]
    models: dict[str, dict[str, Configuration]]
    left_out: list[str]
    ranking: Ranking

    @property
    def title(self) -> str:
        return f"{len(self.corpora)} corpora" + (f", {self.settings}" if self.settings else "")

    @property
    def names(self) -> list[str]:
        return [*self.models]


def corpora_section(results: Results) -> Section | None:
    found = ranked_corpora(results)
    if not found:
        return None
    text = [describe_ranking(each) for each in found]
    if any(len(each.corpora) < ENOUGH_CORPORA for each in found):
        text.append(
            f"With fewer than {ENOUGH_CORPORA} corpora only models that are far apart on all of "
            "them can be told apart, and the mean ranks say little of other corpora."
        )
    tables = []
    for number, each in enumerate(found, start=1):
        tables += [ranks_table(results, each, number), verdicts_table(results, each, number)]
    rankings = {each.title: (each.names, each.ranking) for each in found}
    colours = [name_colours(results, each.models) for each in found]
    figures = [draw_ranks(rankings, dict(ChainMap(*colours)))]
    return Section("corpora", "Over all corpora", text, tables, figures)


def ranked_corpora(results: Results) -> list[RankedCorpora]:
    """Return the corpora with the same settings together, where there are a few of them with the
    same models."""
    by_settings: dict[str, list[str]] = {}
    for corpus in results.corpora:
        dataset = results.on(corpus)[0].completed[0].tags[schema.DATASET]
        settings = corpus.removeprefix(dataset).strip(" ()")
        by_settings.setdefault(settings, []).append(corpus)
    found = [
        rank_on(results, settings, corpora)
        for settings, corpora in by_settings.items()
        if len(corpora) >= FEWEST_CORPORA
    ]
    return [each for each in found if each is not None]


def rank_on(results: Results, settings: str, corpora: list[str]) -> RankedCorpora | None:
    """Rank the models that are on all of these corpora; None if there are fewer than two."""
    models = contestants(results, corpora)
    on_all = [name for name, found in models.items() if len(found) == len(corpora)]
    if len(on_all) < 2:
        return None
    values = np.array(
        [[results.primary[models[name][c].key].value for name in on_all] for c in corpora]
    )
    found = rank_models(-values if results.ranks_by_loss else values)
    order = np.argsort(found.means, kind="stable")
    names = [on_all[each] for each in order]
    left_out = [name for name in models if name not in on_all]
    ranking = replace(found, ranks=found.ranks[:, order])
    return RankedCorpora(
        settings, corpora, {name: models[name] for name in names}, left_out, ranking
    )


def describe_ranking(each: RankedCorpora) -> str:
    """Return which models have the best mean rank, and what the tests say of it."""
    ranking, names = each.ranking, each.names
    first = ranking.groups[0]
    start = (
        f"Over {each.title}, {names[0]} has the best mean rank of {len(names)} models, "
        f"{ranking.means[0]:.2f}."
    )
    p = f"p {'' if ranking.p < 0.0001 else '= '}{format_p(ranking.p)}"
    if not ranking.finds_differences:
        return f"{start} Friedman's test finds no difference between the models ({p})."
    start += f" Friedman's test finds differences ({p})"
    difference = f"differences of {ranking.critical_difference:.2f} and more"
    if len(first) == len(names):
        return f"{start}; Nemenyi's, which needs {difference}, finds none between two models."
    if len(first) == 1:
        return f"{start}; by Nemenyi's, which needs {difference}, all others are worse."
    others = join_words([names[number] for number in first[1:]])
    return f"{start}; by Nemenyi's, which needs {difference}, {others} may be as good."


def ranks_table(results: Results, each: RankedCorpora, number: int) -> Table:
    """Return a row for each model: its mean rank, tie groups, and value and rank by corpus."""
    ranking = each.ranking
    letters = [
        "".join(
            letter
            for letter, group in zip(ascii_lowercase, ranking.groups, strict=False)
            if column in group
        )
        for column in range(len(each.names))
    ]
    rows = []
    for column, (name, by_corpus) in enumerate(each.models.items()):
        cells = [
            f"{format_number(results.primary[by_corpus[corpus].key].value)} ({rank:g})"
            for corpus, rank in zip(each.corpora, ranking.ranks[:, column], strict=True)
        ]
        rows.append((name, letters[column], f"{ranking.means[column]:.2f}", *cells))
    left_out = f" Not on all corpora: {join_words(each.left_out)}." if each.left_out else ""
    return Table(
        f"ranks-{number}",
        f"Mean ranks over {each.title}",
        ("model", "group", "mean rank", *each.corpora),
        rows,
        words=2,
        note=f"In brackets are ranks of the {title_of(results.sweep.primary_metric)} on each "
        f"corpus. Friedman's χ² is {ranking.statistic:.2f}, p {format_p(ranking.p)} by "
        "permutations within corpora. Models that share a letter are not told apart: their mean "
        "ranks differ by less than Nemenyi's critical difference, "
        f"{ranking.critical_difference:.2f}, or Friedman's test finds no difference (Demšar 2006). "
        "Corpora count alike, and are what varies: the tests speak of corpora such as these."
        f"{left_out}",
    )


def verdicts_table(results: Results, each: RankedCorpora, number: int) -> Table:
    """Return a row for each pair of models: on how many corpora the first is better, equivalent,
    not told from the second, or worse."""
    rows = []
    for first, second in combinations(each.names, 2):
        counts = dict.fromkeys(VERDICTS, 0)
        for corpus in each.corpora:
            one, other = each.models[first][corpus], each.models[second][corpus]
            counts[relation_on(results, corpus, one, other)] += 1
        rows.append((first, second, *(str(counts[verdict]) for verdict in VERDICTS)))
    return Table(
        f"wins-{number}",
        f"Wins, ties and losses over {each.title}",
        ("first", "second", "better", "equivalent", "undecided", "worse"),
        rows,
        words=2,
        note="On how many corpora the first model is better than the second, and so on: the "
        "verdicts on pairs, which are corrected for the number of pairs of a corpus. Models with "
        f"fewer than {FEWEST_SEEDS} seeds are undecided.",
    )

"""The section on the differences between each pair of models."""

from math import isnan

from rnn_bench.evaluation.metrics import title_of
from rnn_bench.report.analysis import Results
from rnn_bench.report.comparing import FEWEST_PAIRED, UNDECIDED, Comparison
from rnn_bench.report.contents import Section, Table
from rnn_bench.report.formatting import format_number, format_p
from rnn_bench.report.outcomes import FEWEST_SEEDS

MANY = 60  # pairs, beyond which the tables are folded away
METHODS = {
    "seeds": "Seeds: variance over seeds and test articles together (Gallas, Pennello and Myers "
    "2007), Student's t.",
    "paired seeds": f"Paired seeds: the same, of the differences seed by seed, where "
    f"{FEWEST_PAIRED} or more seeds read their batches in the same order.",
    "articles": "Articles: variance over test articles alone.",
    "McNemar": "McNemar: score test on the articles that one of two trained models alone has "
    "right, with Tango's interval.",
    "splits": "Splits: variance over splits, corrected for shared training articles (Nadeau and "
    "Bengio 2003), Student's t.",
}


def pairs_section(results: Results) -> Section | None:
    metric = title_of(results.sweep.primary_metric)
    tables = [
        pairs_table(f"pairs-{number}", f"{metric[:1].upper()}{metric[1:]} on {corpus}", found)
        for number, (corpus, found) in enumerate(results.comparisons.items(), start=1)
    ]
    if not tables:
        return None
    pairs = [each for found in results.comparisons.values() for each in found]
    text = [
        "Each row compares two models on the same test articles. A model is better if p (Holm), "
        "which is corrected for the number of pairs of the corpus, is below 0.05, and equivalent "
        f"if the difference is below {results.sweep.margin:g} by two one-sided tests, p (equal), "
        "likewise corrected. Smallest is the difference that such a sweep finds in about 4 of 5 "
        "cases, and more seeds are how many would find the one that was measured, both with that "
        "correction.",
    ]
    if any(each.superiority for each in pairs):
        text.append(
            "P(1st better) is how often a training of the first model is better than one of the "
            "second, over all pairs of their seeds; a tie counts half."
        )
    if any(each.of_models for each in pairs):
        text.append(
            f"Where a model has fewer than {FEWEST_SEEDS} seeds, trained models are compared: that "
            "ranks no architectures."
        )
    if results.ranks_by_loss:
        text.append(
            f"The lower {metric} is the better one: where the first model is better, the "
            "difference is below 0."
        )
    is_long = len(pairs) > MANY
    return Section("pairs", "Which differences are real", text, tables, folded=is_long)


def pairs_table(name: str, title: str, found: list[Comparison]) -> Table:
    columns = (
        *("first", "result", "second", "difference", "95 % interval", "p (Holm)"),
        *("p (equal)", "smallest", "more seeds", "P(1st better)", "method"),
    )
    rows = [
        (
            *(each.first, describe_relation(each), each.second),
            f"{each.difference:+.4f}",
            describe_interval(each),
            *(format_p(each.corrected_p), format_p(each.corrected_equivalence_p)),
            format_number(each.smallest),
            str(each.more_seeds) if each.more_seeds and is_undecided(each) else "",
            "{:.2f} ({:.2f} to {:.2f})".format(*each.superiority) if each.superiority else "",
            each.method,
        )
        for each in found
    ]
    note = " ".join(METHODS[method] for method in dict.fromkeys(each.method for each in found))
    return Table(name, title, columns, rows, words=3, note=note)


def describe_relation(each: Comparison) -> str:
    relation = each.relation(each.first)
    return f"{relation}, as trained" if each.of_models and relation != UNDECIDED else relation


def describe_interval(each: Comparison) -> str:
    """Return `-0.0123 to +0.0456`; empty where nothing is known of the difference."""
    if isnan(each.low) or (each.low <= -1 and each.high >= 1 and not each.is_loss):
        return ""
    return f"{each.low:+.4f} to {each.high:+.4f}"


def is_undecided(each: Comparison) -> bool:
    return each.relation(each.first) == UNDECIDED

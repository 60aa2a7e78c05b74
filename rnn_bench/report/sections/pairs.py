"""The section on the differences between each pair of models."""

import math

from rnn_bench.report.analysis import Results
from rnn_bench.report.contents import Section, Table
from rnn_bench.report.formatting import format_p
from rnn_bench.report.statistics import ONE_SEED, Comparison

MANY = 60  # pairs, beyond which the tables are folded away
METHODS = {
    "hierarchical": "Hierarchical: bootstrap over seeds and test articles (10,000 resamples); "
    "interval and p from Student's t with the bootstrap's standard error.",
    "bootstrap": "Bootstrap: over test articles only, because all seeds give the same model "
    "(10,000 resamples); interval and p from Student's t with the bootstrap's standard error.",
    "McNemar": "McNemar: exact test on the articles that only one of the two trained models "
    "classifies correctly; interval from a bootstrap over test articles.",
}


def pairs_section(results: Results) -> Section | None:
    tables = [
        pairs_table(f"pairs-{number}", corpus, found)
        for number, (corpus, found) in enumerate(results.comparisons.items(), start=1)
    ]
    if not tables:
        return None
    text = [
        "Each row compares the test accuracies of two models on the same articles. A difference "
        "is significant if p (Holm), which is corrected for the number of pairs of the corpus, is "
        "below 0.05. P(1st > 2nd) is how often the first model is more accurate than the second, "
        "over all pairs of their seeds; a tie counts half. 1 fit: all seeds give the same model.",
    ]
    if any(each.one_seed for found in results.comparisons.values() for each in found):
        text.append(ONE_SEED)
    is_long = sum(len(table.rows) for table in tables) > MANY
    return Section("pairs", "Which differences are real", text, tables, folded=is_long)


def pairs_table(name: str, corpus: str, found: list[Comparison]) -> Table:
    columns = (
        *("first", "result", "second", "difference", "95 % interval", "p", "p (Holm)"),
        *("P(1st > 2nd)", "method", "seeds"),
    )
    rows = [
        (
            *(each.first, each.relation(each.first), each.second),
            f"{each.difference:+.4f}",
            f"{each.low:+.4f} to {each.high:+.4f}" if math.isfinite(each.low) else "",
            *(format_p(each.p), format_p(each.corrected_p)),
            "" if each.one_seed else f"{each.probability:.2f}",
            *(method_name(each), each.seeds),
        )
        for each in found
    ]
    title = f"On {corpus}, {found[0].articles:,} test articles"
    note = " ".join(dict.fromkeys(METHODS[method_name(each)] for each in found))
    return Table(name, title, columns, rows, words=3, note=note)


def method_name(each: Comparison) -> str:
    """Return the key of METHODS for a comparison."""
    if "McNemar" in each.method:
        return "McNemar"
    return "hierarchical" if "hierarchical" in each.method else "bootstrap"

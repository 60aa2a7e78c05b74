"""The section on which differences are real."""

import math

from rnn_bench.report.analysis import Results
from rnn_bench.report.contents import Section, Table
from rnn_bench.report.formatting import p_value
from rnn_bench.report.statistics import Comparison

MANY = 60  # pairs, beyond which they are folded away


METHODS = {
    "hierarchical": "Hierarchical: bootstrap over seeds and test articles, 10,000 resamples; "
    "interval and p are Student's t with its standard error.",
    "bootstrap": "Bootstrap: over test articles only, for models without randomness, 10,000 "
    "resamples; interval and p are Student's t with its standard error.",
    "McNemar": "McNemar: the exact test on the articles that one of two trained models alone gets "
    "right; the interval is a bootstrap's over test articles.",
}


def pairs_section(results: Results) -> Section | None:
    columns = (
        *("first", "", "second", "difference", "95 % interval", "p", "p, Holm"),
        *("P(1st > 2nd)", "method", "seeds"),
    )
    tables = [
        Table(
            f"pairs-{place}",
            f"On {corpus}, {found[0].articles:,} test articles",
            columns,
            [
                (
                    *(each.first, verdict(each), each.second),
                    f"{each.difference:+.4f}",
                    f"{each.low:+.4f} to {each.high:+.4f}" if math.isfinite(each.low) else "",
                    *(p_value(each.p), p_value(each.corrected_p)),
                    "" if each.one_seed else f"{each.probability:.2f}",
                    *(method(each), each.seeds),
                )
                for each in found
            ],
            words=3,
            note=" ".join(dict.fromkeys(METHODS[method(each)] for each in found)),
        )
        for place, (corpus, found) in enumerate(results.comparisons.items(), start=1)
    ]
    if not tables:
        return None
    text = [
        "Differences of test accuracy on the same articles, with fixed splits. A pair is told "
        "apart if its p, corrected for the number of pairs of the corpus (Holm), is below 0.05. "
        "P(1st > 2nd) is the share of pairs of trainings, with different seeds, in which the "
        "first has the higher accuracy; a tie counts half.",
    ]
    if any(each.one_seed for found in results.comparisons.values() for each in found):
        text.append("With one seed the test is about the trained models: it cannot rank cells.")
    many = sum(len(table.rows) for table in tables) > MANY
    return Section("pairs", "Which differences are real", text, tables, folded=many)


def method(each: Comparison) -> str:
    """The heading of `METHODS` under which a comparison was made."""
    if "McNemar" in each.method:
        return "McNemar"
    return "hierarchical" if "hierarchical" in each.method else "bootstrap"


def verdict(each: Comparison) -> str:
    if not each.is_told_apart:
        return "cannot be told apart from"
    return "is better than" if each.difference > 0 else "is worse than"

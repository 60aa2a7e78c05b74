"""The section on accuracy by the number of training articles."""

from itertools import combinations

from rnn_bench.evaluation.metrics import title_of
from rnn_bench.report.analysis import Results
from rnn_bench.report.comparing import BETTER, EQUIVALENT, UNDECIDED, WORSE
from rnn_bench.report.contents import Section, Table
from rnn_bench.report.figures_across import draw_learning
from rnn_bench.report.formatting import format_estimate
from rnn_bench.report.learning import LearningCurve, learning_curves
from rnn_bench.report.outcomes import FEWEST_SEEDS

MOST_SENTENCES = 4  # on overtaking, of a corpus each; the table has all
MANY = 60  # rows, beyond which the tables are folded away


def learning_section(results: Results) -> Section | None:
    """Show learning curves, and where one model overtakes another."""
    curves = learning_curves(results)
    if not curves:
        return None
    tables, text = [], []
    for number, curve in enumerate(curves, start=1):
        text.append(describe_curve(curve))
        tables.append(curve_table(results, curve, number))
        if len(curve.models) > 1:
            tables.append(overtaking_table(curve, number))
    metric = title_of(results.sweep.primary_metric)
    is_long = sum(len(table.rows) for table in tables) > MANY
    figures = [draw_learning(results, curves, metric)]
    return Section("learning", "Learning curves", text, tables, figures, folded=is_long)


def describe_curve(curve: LearningCurve) -> str:
    """Return which models overtake others on a corpus."""
    found = curve.overtakings
    if not found:
        return f"On {curve.title} no model is seen to overtake another."
    more = len(found) - MOST_SENTENCES
    rest = f" {more} more pairs change places." if more > 0 else ""
    return f"On {curve.title}, {'; '.join(found[:MOST_SENTENCES])}.{rest}"


def curve_table(results: Results, curve: LearningCurve, number: int) -> Table:
    rows = []
    for name in curve.models:
        points = curve.points(name)
        cells = [format_estimate(points[size], 3) if size in points else "" for size in curve.sizes]
        rows.append((name, *cells))
    covers = {estimate.over for name in curve.models for estimate in curve.points(name).values()}
    metric = title_of(results.sweep.primary_metric)
    return Table(
        f"learning-{number}",
        f"{metric[:1].upper()}{metric[1:]} on {curve.title} by share of the training articles",
        ("model", *map(curve.describe_size, curve.sizes)),
        rows,
        note="The share, and the number of training articles without validation; a larger part "
        "contains the smaller ones, and the test articles are the same. Brackets: 95 % interval "
        f"over {' or '.join(sorted(filter(None, covers)))}.",
    )


def overtaking_table(curve: LearningCurve, number: int) -> Table:
    """Return which of two models is better with each share."""
    rows = []
    for first, second in combinations(curve.models, 2):
        words = {BETTER: first, WORSE: second, EQUIVALENT: "equivalent", UNDECIDED: "undecided"}
        verdicts = curve.verdicts(first, second)
        cells = [words[verdicts[size]] if size in verdicts else "" for size in curve.sizes]
        rows.append((first, second, *cells))
    return Table(
        f"overtaking-{number}",
        f"Which is better on {curve.title}, by share of the training articles",
        ("first", "second", *(f"{size:g}" for size in curve.sizes)),
        rows,
        words=2,
        note="Verdicts on pairs, corrected for the number of pairs with each share alone. Models "
        f"with fewer than {FEWEST_SEEDS} seeds are undecided.",
    )

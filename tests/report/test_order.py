"""Tables, pairs, figures and legends have the best model first."""

import re

from matplotlib.figure import Figure as Canvas

from rnn_bench.report.assembly import assemble_report
from rnn_bench.report.drawing import add_legend
from tests.report.hand_made import over_seeds, results_of


def test_every_table_of_models_has_the_best_first() -> None:
    shares = {"rnn": 0.6, "majority": 0.5, "gru": 0.9, "tfidf": 0.75}
    answers = [each for model, share in shares.items() for each in over_seeds(model, share)]
    best_first = sorted(shares, key=lambda model: -shares[model])
    report = assemble_report(results_of(*answers))
    tables = {table.name: table for table in report.tables}
    for name in ("accuracy", "classes", "time", "certainty", "evaluation", "confusion"):
        assert [*dict.fromkeys(row[1] for row in tables[name].rows)] == best_first, name
    pairs = [(row[0], row[2]) for row in tables["pairs-1"].rows]
    assert pairs == [(a, b) for n, a in enumerate(best_first) for b in best_first[n + 1 :]]
    for figure in report.figures:
        named = [name for name in re.findall(r">(\w+)</text>", figure.svg) if name in shares]
        expected = [name for name in best_first if name in named]
        # The rows of the figure of accuracies are drawn from below.
        assert named == (expected[::-1] if figure.name == "accuracy" else expected), figure.name


def test_a_legend_is_read_by_rows_in_the_mean_order_of_its_panels() -> None:
    canvas = Canvas(figsize=(3, 3))
    panels = [*canvas.subplots(1, 2)]
    for axes, labels in zip(
        panels, (["gru", "lstm", "rnn", "tfidf"], ["lstm", "gru", "rnn"]), strict=True
    ):
        for label in labels:
            axes.plot([0, 1], label=label)
    add_legend(canvas, panels, width=2.2)  # two columns
    canvas.draw_without_rendering()
    (legend,) = canvas.legends
    places = {}
    for text in legend.get_texts():
        box = text.get_window_extent()
        places[text.get_text()] = (-round(box.y0), round(box.x0))
    assert len({y for y, _ in places.values()}) == 2
    assert sorted(places, key=places.__getitem__) == ["gru", "lstm", "rnn", "tfidf"]

"""Precision, recall and F1 of each class, with intervals."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import precision_recall_fscore_support

from rnn_bench.report.formatting import format_estimate
from rnn_bench.report.sections.classes import classes_section
from rnn_bench.report.statistics import estimate
from tests.report.hand_made import answered, certain, over_seeds, results_of, right_in


def cells(*answers: object) -> dict[tuple[str, ...], dict[str, str]]:
    """The table's cells by corpus, model and class, and by column."""
    section = classes_section(results_of(*answers))  # type: ignore[arg-type]
    assert section is not None
    (table,) = section.tables
    columns = [*map(str, table.columns)]
    return {
        tuple(map(str, row[:3])): dict(zip(columns, map(str, row), strict=True))
        for row in table.rows
    }


def ends(cell: str) -> tuple[float, ...]:
    """The value and the ends of the interval: `0.8567 (0.8123 to 0.9012)`."""
    return tuple(map(float, cell.replace("(", "").replace(")", "").replace("to ", "").split()))


def test_the_values_are_scikit_learn_s_and_the_intervals_are_of_the_class_s_articles() -> None:
    random = np.random.default_rng(0)
    labels = random.choice(3, 600, p=[0.7, 0.25, 0.05])
    predicted = np.where(random.random(600) < 0.7, labels, random.choice(3, 600))
    found = cells(answered("tfidf", certain(labels, predicted, classes=("a", "b", "c"))))
    expected = precision_recall_fscore_support(labels, predicted)
    for number, name in enumerate("abc"):
        row = found["demo", "tfidf", name]
        for column, values in zip(("precision", "recall", "F1"), expected, strict=False):
            assert ends(row[column])[0] == pytest.approx(values[number], abs=5e-5)
        right = int(((labels == number) & (predicted == number)).sum())
        for column, of in (("recall", labels), ("precision", predicted)):
            wilson = stats.binomtest(right, int((of == number).sum())).proportion_ci(
                method="wilson"
            )
            assert ends(row[column])[1:] == pytest.approx((wilson.low, wilson.high), abs=0.01)


def test_a_class_that_is_never_found_has_the_exact_interval_of_its_few_articles() -> None:
    labels = [0] * 996 + [1] * 4
    found = cells(answered("tfidf", certain(labels, [0] * 1000)))["demo", "tfidf", "real"]
    exact = stats.binomtest(0, 4).proportion_ci(method="exact")
    assert ends(found["recall"]) == pytest.approx((0, 0, exact.high), abs=5e-5)
    assert found["precision"] == "0.0000", "nothing was predicted as it, so nothing is known"
    assert found["test articles"] == "4"


def test_intervals_cover_seeds_and_are_those_of_a_primary_metric_of_the_class() -> None:
    answers = [
        answered("gru", right_in(share, seed=seed), seed=seed)
        for seed, share in enumerate((0.7, 0.8, 0.9))
    ]
    found = cells(*answers)
    results = results_of(*answers)
    key = results.compared[0].key
    for metric, column in (("recall", "recall"), ("precision", "precision"), ("f1", "F1")):
        outcomes = results.outcomes_of(f"test_{metric}/real")[key]
        assert found["demo", "gru", "real"][column] == format_estimate(estimate(outcomes))
    alone = ends(cells(answers[1])["demo", "gru", "real"]["recall"])
    together = ends(found["demo", "gru", "real"]["recall"])
    assert together[2] - together[1] > 1.5 * (alone[2] - alone[1])


def test_corpora_may_have_other_classes_and_the_best_model_is_first() -> None:
    other = answered("tfidf", right_in(0.8, classes=("x", "y", "z")), dataset="other")
    found = cells(*over_seeds("rnn", 0.6), *over_seeds("gru", 0.9), other)
    assert [*found] == [
        *(("demo", model, name) for model in ("gru", "rnn") for name in ("fake", "real")),
        *(("other", "tfidf", name) for name in "xyz"),
    ]

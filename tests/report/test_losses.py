"""Models that are ranked by their loss, of which less is better."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from rnn_bench.report.analysis import Results
from rnn_bench.report.comparing import EQUIVALENT
from rnn_bench.report.conclusions import write_conclusions
from rnn_bench.report.explanations import explain_numbers
from rnn_bench.report.learning import learning_curves
from rnn_bench.report.sections.accuracy import accuracy_section
from rnn_bench.report.sections.learning import learning_section
from rnn_bench.report.sections.pairs import pairs_section
from tests.report.hand_made import Answer, answered, certain, over_seeds, results_of


def by_loss(*answers: Answer) -> Results:
    return results_of(*answers, primary_metric="test_loss")


def diverged(
    model: str, seeds: int = 3, dataset: str = "demo", **parameters: object
) -> list[Answer]:
    """Runs without probabilities."""
    found = over_seeds(model, 0.5, seeds, dataset=dataset, outcome="diverged", **parameters)
    nan = np.full_like(found[0][1].probabilities, np.nan)
    return [(run, replace(predictions, probabilities=nan)) for run, predictions in found]


def test_the_lowest_loss_ranks_and_stands_beside_the_accuracy() -> None:
    results = by_loss(*over_seeds("gru", 0.9), *over_seeds("rnn", 0.7), *over_seeds("tfidf", 0.6))
    (answer,) = write_conclusions(results)
    assert answer.startswith("On demo, gru is the best of 3 models: test loss 0.3")
    assert "worse than gru" in answer
    section = accuracy_section(results)
    assert section
    (table,) = section.tables
    assert table.columns[5:7] == ("test loss", "its 95 % interval")
    assert "loss" not in table.columns
    assert [row[1] for row in table.rows] == ["gru", "rnn", "tfidf"]
    assert table.note.startswith("Means over seeds, the best test loss first.")
    pairs = pairs_section(results)
    assert pairs
    assert "where the first model is better, the difference is below 0" in pairs.text[-1]
    assert str(pairs.tables[0].rows[0][3]).startswith("-")


def test_a_loss_below_that_of_the_constant_is_better_than_chance() -> None:
    """A rare class that is never predicted, and told apart all the same."""
    labels = np.repeat([0, 1], [360, 40])
    random = np.random.default_rng(0)
    sure = certain(labels, np.zeros(400, dtype=int), np.where(labels == 0, 0.98, 0.55).tolist())
    runs = [
        answered(
            name,
            certain(labels, np.zeros(400, dtype=int), random.uniform(0.87, 0.93, 400).tolist()),
            seed=s,
            outcome=outcome,
        )
        for (name, outcome), s in product(
            (("gru", "unlearned"), ("majority", "finished")), range(3)
        )
    ]
    (answer,) = write_conclusions(by_loss(*runs))
    assert "no model is better than chance, and no network learned with any seed" in answer
    assert "has the lowest test loss" in answer
    assert "a constant has 0.325" in answer  # the entropy of 0.9 and 0.1
    (answer,) = write_conclusions(by_loss(*runs, answered("tfidf", sure)))
    assert answer.startswith("On demo, tfidf is the best of 3 models: test loss 0.0")


@pytest.mark.parametrize(
    ("runs", "words"),
    [
        (diverged("gru"), "On demo, no model has a finite test loss."),
        (
            [*diverged("gru"), *diverged("rnn"), *over_seeds("tfidf", 0.8)],
            "On demo, tfidf alone of 3 models has a finite test loss: 0.5",
        ),
        (
            [run for name in "abcd" for run in diverged("gru", dataset=name)],
            "One model was tested on each corpus, so none is compared. The tables have the numbers",
        ),
    ],
)
def test_losses_that_are_not_finite_rank_nothing(runs: list[Answer], words: str) -> None:
    results = by_loss(*runs)
    (answer,) = write_conclusions(results)
    assert answer.startswith(words)
    assert "fewer than 3 seeds" not in answer
    assert "not ranked" not in answer
    assert "nan" not in answer + explain_numbers(results)


def test_a_model_with_a_diverged_seed_is_not_ranked_and_has_no_mean_loss() -> None:
    runs = [*over_seeds("gru", 0.9), *over_seeds("tfidf", 0.8), *over_seeds("rnn", 0.95, 2)]
    run, predictions = diverged("rnn", 3)[2]
    results = by_loss(*runs, (run, predictions))
    (answer,) = write_conclusions(results)
    assert "rnn is not ranked, with a test loss that is not finite" in answer
    section = accuracy_section(results)
    assert section
    *_, last = section.tables[0].rows
    assert last[1] == "rnn (1 diverged)"
    assert last[5:7] == ("", "")
    by_accuracy = accuracy_section(results_of(*runs, (run, predictions)))
    assert by_accuracy
    losses = {
        row[1]: row[by_accuracy.tables[0].columns.index("loss")]
        for row in by_accuracy.tables[0].rows
    }
    assert losses["rnn (1 diverged)"] == ""
    assert losses["gru"]


def test_a_learning_curve_of_losses_that_are_not_finite_is_left_out() -> None:
    runs = [run for size in (0.1, 1) for run in diverged("gru", train_size=size)]
    results = by_loss(*runs)
    assert learning_curves(results) == []
    assert learning_section(results) is None


def test_few_errors_are_named_beside_a_loss() -> None:
    runs = [*over_seeds("gru", 0.98), *over_seeds("rnn", 0.7)]
    (answer,) = write_conclusions(by_loss(*runs))
    few = "gru errs on fewer than 20 test articles, too few for the interval of a loss"
    assert few in answer
    (answer,) = write_conclusions(results_of(*runs))
    assert few not in answer


def test_models_with_the_same_losses_are_equivalent() -> None:
    (_, predictions), *_ = over_seeds("tfidf", 0.8)
    runs = [answered(name, predictions) for name in ("tfidf", "nbsvm")]
    (pair,) = by_loss(*runs).comparisons["demo"]
    assert pair.relation("tfidf") == EQUIVALENT

"""Calibration beside its floor, and accuracy where a model is certain."""

import numpy as np
import pytest
from scipy import stats

from rnn_bench.evaluation.predictions import Predictions
from rnn_bench.report.certainty import CERTAIN, Certainty, certainties
from rnn_bench.report.sections.certainty import certainty_section, describe_certainty
from tests.report.hand_made import Answer, answered, certain, over_seeds, results_of, right_in


def calibrated(articles: int = 4000, seed: int = 0, sharpened: float = 1.0) -> Predictions:
    """A model that is right as often as it is certain; `sharpened` makes it say more than that."""
    random = np.random.default_rng(seed)
    sure = random.uniform(0.5, 1, articles)
    labels = np.arange(articles) % 2
    right = random.random(articles) < sure
    odds = (sure / (1 - sure)) ** sharpened
    return certain(labels, np.where(right, labels, 1 - labels), (odds / (1 + odds)).tolist())


def of(*answers: Answer) -> Certainty:
    (found,) = certainties(results_of(*answers))
    return found


def test_a_calibrated_model_is_no_worse_than_its_floor_and_a_too_certain_one_is() -> None:
    found = of(answered("gru", calibrated()))
    assert found.error <= found.floor.high
    assert "no more than a perfectly calibrated model shows by chance" in describe_certainty(found)
    found = of(answered("gru", calibrated(sharpened=2.0)))
    assert found.error > 2 * found.floor.high
    assert "it is too certain, with a mean certainty of 0.8" in describe_certainty(found)
    found = of(answered("gru", calibrated(sharpened=0.5)))
    assert "it is too careful, with a mean certainty of 0.6" in describe_certainty(found)


def test_the_answer_at_95_certainty_is_the_share_and_accuracy_of_its_articles() -> None:
    predictions = calibrated()
    sure = predictions.certainties >= CERTAIN
    right = int(predictions.correct[sure].sum())
    found = of(answered("tfidf", predictions))
    assert found.answered.value == pytest.approx(sure.mean())
    assert found.right.value == pytest.approx(right / sure.sum())
    wilson = stats.binomtest(right, int(sure.sum())).proportion_ci(method="wilson")
    assert (found.right.low, found.right.high) == pytest.approx((wilson.low, wilson.high), abs=2e-3)
    start = f"At 0.95 certainty tfidf answers {100 * sure.mean():.0f} % of the articles of demo, "
    assert describe_certainty(found).startswith(
        start + f"and is right in {100 * right / sure.sum():.1f} %"
    )


def test_answers_of_all_seeds_count_and_an_errorless_few_are_no_proof() -> None:
    few, none = np.full(200, 0.7), np.full(200, 0.6)
    few[:10] = 0.99
    perfect = np.arange(200) % 2
    answers = [
        answered("gru", certain(perfect, perfect, sure.tolist()), seed=seed)
        for seed, sure in enumerate((few, few, none))
    ]
    found = of(*answers)
    assert found.answered.value == pytest.approx(20 / 600)
    assert (found.right.value, found.right.high) == (1, 1)
    least, most = (
        stats.binomtest(count, count).proportion_ci(method="exact").low for count in (6, 11)
    )
    assert least < found.right.low < most, "10 articles; seeds that agree add little"
    assert "never certain to 0.95" in describe_certainty(of(answers[2]))


def test_the_reliability_of_a_bin_is_the_accuracy_of_its_answers() -> None:
    predictions = calibrated()
    found = dict(of(answered("tfidf", predictions)).reliability)
    edges = np.linspace(0, 1, 16)
    inside = (predictions.certainties > edges[10]) & (predictions.certainties <= edges[11])
    mean = float(predictions.certainties[inside].mean())
    assert found[mean].value == pytest.approx(predictions.correct[inside].mean())
    assert found[mean].has_interval
    assert len(found) == 8, "of two classes the larger probability is above a half"


def test_runs_without_probabilities_are_left_out() -> None:
    diverged = right_in(0.5)
    diverged = Predictions(
        diverged.classes, diverged.labels, diverged.predictions, diverged.probabilities * np.nan
    )
    fine = [answered("gru", right_in(0.9, seed=seed), seed=seed) for seed in (1, 2)]
    found = of(answered("gru", diverged), *fine)
    assert len(found.runs) == 2
    assert found.model.value == pytest.approx(0.9)
    assert certainties(results_of(answered("gru", diverged))) == []
    assert certainty_section(results_of(answered("gru", diverged))) is None


def test_the_most_certain_articles_are_the_most_often_right() -> None:
    found = of(answered("gru", calibrated()))
    assert found.selective[-1] == pytest.approx(found.model.value)
    assert found.selective[found.shares <= 0.2].min() > 0.9


def test_the_section_has_both_figures_and_a_row_a_model_the_best_first() -> None:
    answers = [*over_seeds("rnn", 0.6), answered("gru", calibrated(seed=1, articles=400))]
    found = certainty_section(results_of(*answers, *over_seeds("majority", 0.5)))
    assert found is not None
    assert [row[1] for row in found.tables[0].rows] == ["gru", "rnn", "majority"]
    assert [figure.name for figure in found.figures] == ["reliability", "selective"]
    assert ">gru<" in found.figures[0].svg
    assert ">majority<" not in found.figures[0].svg, "it is always equally certain"
    assert len(found.text) == 1
    alone = certainty_section(results_of(*over_seeds("majority", 0.5)))
    assert alone is not None
    assert alone.figures == []


def test_errors_that_cancel_are_not_called_too_careful() -> None:
    right = np.r_[np.arange(500) < 425, np.arange(500) < 325]
    found = certain(np.zeros(1000, dtype=int), (~right).astype(int), np.repeat([0.95, 0.55], 500))
    section = certainty_section(results_of(*(answered("gru", found, seed=n) for n in range(3))))
    assert section is not None
    assert "it is too certain of some articles and too careful of others, with" in section.text[0]

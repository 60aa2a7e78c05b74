from dataclasses import replace

import numpy as np
import pytest
import torch
from mlflow.utils.validation import _validate_metric_name
from sklearn.metrics import classification_report

from rnn_bench.config.protocol import Protocol
from rnn_bench.data.encoding import Split
from rnn_bench.evaluation.metrics import (
    METRICS,
    all_article_values,
    article_values,
    compute_metrics,
    counted_articles,
    evaluate,
    metric_names,
    missing_metrics,
    names_by_class,
)
from rnn_bench.evaluation.predictions import Predictions, probabilities


def split(labels: list[int]) -> Split:
    count = len(labels)
    return Split(torch.ones(count).int(), torch.arange(count + 1), torch.tensor(labels))


TWO = ("fake", "real")
LOGITS = torch.tensor([[2.0, 0.0], [0.0, 1.0], [3.0, 0.0], [0.0, 9.0]])


def test_metrics_are_sums_over_articles() -> None:
    metrics = evaluate(LOGITS, split([0, 1, 1, 1]), TWO, Protocol(name="p"))
    assert metrics["test_accuracy"] == 0.75
    # F1 of class 0: precision 1/2, recall 1; of class 1: precision 1, recall 2/3.
    assert metrics["test_macro_f1"] == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert "test_accuracy_batch_mean" not in metrics


def test_the_loss_is_the_mean_cross_entropy() -> None:
    labels = [0, 1, 1, 1]
    metrics = evaluate(LOGITS, split(labels), TWO, Protocol(name="p"))
    assert metrics["test_loss"] == pytest.approx(
        torch.nn.functional.cross_entropy(LOGITS.double(), torch.tensor(labels)).item()
    )
    certain = Predictions.from_logits(torch.tensor([[2000.0, 0.0]]), torch.tensor([1]), TWO)
    assert compute_metrics(certain, ["test_loss"]) == {"test_loss": pytest.approx(708.4, abs=0.1)}


def test_the_study_s_batch_mean_stands_beside_the_exact_accuracy() -> None:
    protocol = Protocol(name="p", loss_average="batches", batch_size=3)
    recorded = evaluate(LOGITS, split([0, 1, 1, 1]), TWO, protocol)
    assert recorded["test_accuracy"] == 0.75
    assert recorded["test_accuracy_batch_mean"] == pytest.approx((2 / 3 + 1) / 2)


def test_a_class_that_is_never_predicted_counts_as_zero() -> None:
    logits = torch.tensor([[1.0, 0.0, 0.0]] * 3)
    metrics = evaluate(logits, split([0, 1, 2]), ("a", "b", "c"), Protocol(name="p"))
    assert metrics["test_macro_f1"] == pytest.approx(0.5 / 3)


def test_precision_recall_and_f1_of_each_class_are_scikit_learn_s() -> None:
    chance = np.random.default_rng(0)
    logits = torch.from_numpy(chance.normal((2, 1, 0, -9), size=(200, 4)))  # the last: never
    labels = chance.choice(3, 200, p=[0.8, 0.15, 0.05])
    classes = ("ham", "spam", "both", "none")
    metrics = evaluate(logits, split(labels.tolist()), classes, Protocol(name="p"))
    report = classification_report(
        *(labels, logits.argmax(1).numpy()),
        labels=range(4),
        target_names=classes,
        output_dict=True,
        zero_division=0.0,
    )
    for name in classes:
        for figure, key in (("precision", "precision"), ("recall", "recall"), ("f1", "f1-score")):
            assert metrics[f"test_{figure}/{name}"] == pytest.approx(report[name][key])


def test_the_metrics_of_classes_have_names_that_mlflow_takes() -> None:
    classes = ("a/b", "a&b", "..", "", "Straße 1", "SPAM", "spam", "x" * 300)
    assert names_by_class("test_f1", classes) == [
        *("test_f1/a_b", "test_f1/a_b 1", "test_f1/2", "test_f1/3", "test_f1/Straße 1"),
        *("test_f1/SPAM", "test_f1/spam 6", f"test_f1/{'x' * 100}"),
    ]
    for name in names_by_class("test_f1", classes):
        _validate_metric_name(name)


def test_a_metric_of_classes_is_missing_where_none_of_them_is_recorded() -> None:
    recorded = [*metric_names(("a", "b")), "transfer/isot/accuracy"]
    assert missing_metrics(recorded, {}) == []
    assert missing_metrics([name for name in recorded if "recall" not in name], {}) == [
        "test_recall"
    ]
    assert missing_metrics(recorded, {"test_f1": 2}) == ["test_f1"]


def test_a_diverged_model_is_evaluated_as_it_is() -> None:
    logits = torch.full((4, 2), torch.nan)
    metrics = evaluate(logits, split([0, 1, 1, 0]), TWO, Protocol(name="p"))
    assert metrics["test_accuracy"] == 0.5
    assert torch.tensor(metrics["test_loss"]).isnan()


def test_probabilities_add_up_to_one() -> None:
    torch.testing.assert_close(probabilities(LOGITS).sum(1), torch.ones(4).double())


# --- values by article ----------------------------------------------------------------------------


def random_predictions(articles: int = 300, seed: int = 0) -> Predictions:
    random = np.random.default_rng(seed)
    labels = random.integers(3, size=articles)
    guesses = np.where(random.random(articles) < 0.7, labels, random.integers(3, size=articles))
    shares = np.full((articles, 3), 1 / 3)
    return Predictions(("a", "b", "c"), labels, guesses, shares)


@pytest.mark.parametrize("name", metric_names(("a", "b", "c")))
def test_the_values_by_article_have_the_metric_as_mean(name: str) -> None:
    predictions = random_predictions()
    values = article_values(predictions, name)
    assert values.shape == (300,)
    assert values.mean() == pytest.approx(compute_metrics(predictions)[name])


@pytest.mark.parametrize("name", metric_names(("a", "b", "c")))
def test_the_values_by_article_have_the_metric_s_standard_error(name: str) -> None:
    """Against the bootstrap over articles."""
    predictions, random = random_predictions(), np.random.default_rng(1)
    draws = [
        compute_metrics(predictions.of(random.integers(300, size=300)))[name] for _ in range(300)
    ]
    values = article_values(predictions, name)
    assert values.std(ddof=1) / np.sqrt(300) == pytest.approx(np.std(draws), rel=0.2)


def test_a_metric_without_values_by_article_gets_the_jackknife_s(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    predictions = random_predictions()
    exact = article_values(predictions, "test_macro_f1")
    bare = replace(METRICS["test_macro_f1"], by_article=None)
    monkeypatch.setitem(METRICS, "test_macro_f1", bare)
    values = article_values(predictions, "test_macro_f1")
    assert values.shape == (100,)
    assert values.mean() == pytest.approx(exact.mean())
    errors = [each.std(ddof=1) / np.sqrt(len(each)) for each in (values, exact)]
    assert errors[0] == pytest.approx(errors[1], rel=0.2)


def test_a_class_that_is_never_predicted_has_values_of_0() -> None:
    predictions = random_predictions()
    never = replace(predictions, predictions=np.zeros(300, dtype=int))
    assert not article_values(never, "test_precision/b").any()
    assert not article_values(never, "test_f1/c").any()


def test_a_metric_of_classes_without_values_by_article_gets_the_jackknife_s_for_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    predictions = random_predictions()
    exact = all_article_values(predictions, "test_f1")
    bare = replace(METRICS["test_f1"], by_article=None, counts=None)
    monkeypatch.setitem(METRICS, "test_f1", bare)
    values = all_article_values(predictions, "test_f1")
    assert values.shape == (3, 100)
    assert values.mean(1) == pytest.approx(exact.mean(1), abs=0.002)
    assert article_values(predictions, "test_f1/b") == pytest.approx(values[1])
    assert counted_articles(predictions, "test_f1/b") == 300


def test_a_metric_counts_the_articles_that_it_is_about() -> None:
    labels, guesses = np.array([0, 0, 0, 1, 2]), np.array([0, 1, 0, 0, 2])
    predictions = Predictions(("a", "b", "c"), labels, guesses, np.full((5, 3), 1 / 3))
    counted = {
        name: counted_articles(predictions, f"test_{name}")
        for name in ("accuracy", "recall/a", "precision/a", "f1/a", "recall/b", "f1/c")
    }
    assert counted == {
        **{"accuracy": 5, "recall/a": 3, "precision/a": 3, "f1/a": 4, "recall/b": 1, "f1/c": 1}
    }

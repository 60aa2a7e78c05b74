import pytest
import torch

from rnn_bench.config.protocol import Protocol
from rnn_bench.data.encoding import Split
from rnn_bench.evaluation.metrics import evaluate
from rnn_bench.evaluation.predictions import probabilities


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


def test_the_study_s_batch_mean_stands_beside_the_exact_accuracy() -> None:
    protocol = Protocol(name="p", loss_average="batches", batch_size=3)
    recorded = evaluate(LOGITS, split([0, 1, 1, 1]), TWO, protocol)
    assert recorded["test_accuracy"] == 0.75
    assert recorded["test_accuracy_batch_mean"] == pytest.approx((2 / 3 + 1) / 2)


def test_a_class_that_is_never_predicted_counts_as_zero() -> None:
    logits = torch.tensor([[1.0, 0.0, 0.0]] * 3)
    metrics = evaluate(logits, split([0, 1, 2]), ("a", "b", "c"), Protocol(name="p"))
    assert metrics["test_macro_f1"] == pytest.approx(0.5 / 3)


def test_a_diverged_model_is_evaluated_as_it_is() -> None:
    logits = torch.full((4, 2), torch.nan)
    metrics = evaluate(logits, split([0, 1, 1, 0]), TWO, Protocol(name="p"))
    assert metrics["test_accuracy"] == 0.5
    assert torch.tensor(metrics["test_loss"]).isnan()


def test_probabilities_add_up_to_one() -> None:
    torch.testing.assert_close(probabilities(LOGITS).sum(1), torch.ones(4).double())

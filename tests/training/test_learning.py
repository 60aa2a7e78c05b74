"""When a network has begun to learn: it beats every constant prediction by more than chance."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from rnn_bench.training.learning import accuracy_p, beats_constant, loss_p


def labels_of(*counts: int) -> Tensor:
    return torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))


def noise(seed: int, articles: int, classes: int) -> Tensor:
    return torch.randn(articles, classes, generator=torch.Generator().manual_seed(seed))


def leaning_to(labels: Tensor, classes: int, gain: float, seed: int = 0) -> Tensor:
    """Logits that know something of the labels, beside the classes' shares."""
    shares = torch.bincount(labels, minlength=classes) / len(labels)
    right = torch.nn.functional.one_hot(labels, classes)
    return shares.log() + gain * right + noise(seed, len(labels), classes)


def test_losses_are_compared_by_scipy_s_t_test_of_one_sample() -> None:
    labels, logits = labels_of(30, 12), noise(1, 42, 2).double()
    logits[:, 1] += 0.8 * labels
    shares = torch.tensor([30 / 42, 12 / 42], dtype=torch.float64)
    gains = logits.log_softmax(1)[torch.arange(42), labels] - shares[labels].log()
    gains += 0.2 - gains.mean()  # a uniform factor of every probability leaves losses alone
    logits = torch.stack([shares[labels].log() + gains, torch.zeros(42)], 1)
    logits[:, 1] = torch.log1p(-logits[:, 0].exp().clamp(max=0.999))
    logits = torch.where(labels[:, None] == 0, logits, logits.flip(1))
    found = logits.log_softmax(1)[torch.arange(42), labels] - shares[labels].log()
    expected = stats.ttest_1samp(found.numpy(), 0, alternative="greater").pvalue
    assert 1e-6 < expected < 0.5
    assert loss_p(logits, labels) == pytest.approx(expected)


def test_accuracies_are_compared_by_scipy_s_binomial_test() -> None:
    labels = labels_of(30, 12)
    logits = torch.nn.functional.one_hot(labels, 2).double()
    logits[:5] = logits[:5].flip(1)
    expected = stats.binomtest(37, 42, 30 / 42, alternative="greater").pvalue
    assert accuracy_p(logits, labels) == pytest.approx(expected)


@pytest.mark.parametrize("counts", [(5, 5), (9, 1), (10, 0), (900, 100), (50,) * 20])
@pytest.mark.parametrize("weighted", [False, True])
def test_no_constant_prediction_beats_the_constant(counts: tuple[int, ...], weighted: bool) -> None:
    labels, classes = labels_of(*counts), len(counts)
    weights = 1 / torch.tensor(counts).float().clamp(min=1) if weighted else None
    shares = torch.bincount(labels, minlength=classes) / len(labels)
    for seed in range(20):
        for scale in (0.0, 1e-4, 0.1, 5.0):
            constant = (shares.clamp(min=1e-9).log() + scale * noise(seed, 1, classes)).expand(
                len(labels), classes
            )
            assert not beats_constant(constant, labels, 1, weights)


def guess_each(seed: int, articles: int, classes: int) -> Tensor:
    """Another answer for each article."""
    return noise(seed, articles, classes)


def guess_one_of_two(seed: int, articles: int, classes: int) -> Tensor:
    """The same answer, or its opposite, for each article."""
    sign = noise(seed, articles, 1).sign()
    return sign * torch.tensor([1.0] + [-1.0] * (classes - 1))


def guess_leaning(seed: int, articles: int, classes: int) -> Tensor:
    """Answers that lean to some class, to another one in another epoch."""
    return noise(seed, 1, classes) + 0.5 * noise(seed + 10**6, articles, classes)


@pytest.mark.parametrize("guess", [guess_each, guess_one_of_two, guess_leaning])
@pytest.mark.parametrize("counts", [(5, 5), (39, 1), (10, 10), (180, 20)])
def test_at_most_15_of_1000_runs_that_guess_for_30_epochs_are_taken_for_one_that_learns(
    guess: Callable[[int, int, int], Tensor], counts: tuple[int, ...]
) -> None:
    labels, classes, runs = labels_of(*counts), len(counts), 70
    shares = torch.bincount(labels) / len(labels)
    alarms = sum(
        any(
            beats_constant(
                shares.log() + 0.02 * guess(100 * run + epoch, len(labels), classes), labels, epoch
            )
            for epoch in range(1, 31)
        )
        for run in range(runs)
    )
    assert alarms <= 0.015 * runs


def test_the_losses_of_few_articles_tell_nothing() -> None:
    for counts, told in (((30, 9), False), ((30, 10), True)):
        labels = labels_of(*counts)
        logits = torch.zeros(len(labels), 2)
        logits[:, 1] = torch.where(labels == 1, -0.1, -2.0)
        assert accuracy_p(logits, labels) == 1
        assert loss_p(logits.double(), labels) < 1e-3
        assert beats_constant(logits, labels, 1) is told


def test_few_articles_that_are_all_correct_tell_it_soon_or_not_at_all() -> None:
    labels = labels_of(5, 5)
    logits = 6.0 * torch.nn.functional.one_hot(labels, 2)
    assert [beats_constant(logits, labels, epoch) for epoch in (1, 2, 3)] == [True, True, False]


@pytest.mark.parametrize("counts", [(10, 10), (100, 100), (180, 20), (10,) * 20])
def test_a_network_that_has_learned_is_told_at_any_epoch(counts: tuple[int, ...]) -> None:
    labels = labels_of(*counts)
    for epoch in (1, 15, 60):
        assert beats_constant(leaning_to(labels, len(counts), 6.0), labels, epoch)


def test_a_network_that_never_answers_the_rare_class_may_have_learned() -> None:
    labels = labels_of(900, 100)
    logits = torch.zeros(1000, 2)
    logits[:, 1] = torch.where(labels == 1, -0.5, -3.0)
    assert (logits.argmax(1) == 0).all()
    assert accuracy_p(logits, labels) == 1
    assert beats_constant(logits, labels, 30)


def test_a_network_that_is_often_right_and_too_sure_has_learned() -> None:
    labels = labels_of(100, 100)
    logits = 50.0 * torch.nn.functional.one_hot(labels, 2)
    logits[::5] = logits[::5].flip(1)
    assert loss_p(logits, labels) == 1
    assert beats_constant(logits, labels, 30)


def test_with_balanced_classes_losses_weigh_as_in_training() -> None:
    labels = labels_of(900, 100)
    balanced = torch.tensor([1000 / 1800, 1000 / 200])
    logits = torch.stack([torch.zeros(1000), 1.0 * labels - 0.5], 1)
    logits[::4] = -logits[::4]
    assert not beats_constant(logits, labels, 1)
    assert beats_constant(logits, labels, 1, balanced)


def test_logits_that_are_no_numbers_have_learned_nothing() -> None:
    logits = torch.full((20, 2), math.nan)
    assert not beats_constant(logits, labels_of(10, 10), 1)
    assert np.isfinite(loss_p(logits.double(), labels_of(10, 10)))

"""Tell whether a network has begun to learn: whether it beats the best constant prediction."""

import math

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

FALSE_ALARMS = 0.01  # probability that a run that guesses is ever taken for one that learns
# Articles outside the largest class from which on the t-test keeps its level; with fewer, one that
# is guessed well decides it.
FEWEST = 10


def beats_constant(
    logits: Float[Tensor, "articles classes"],
    labels: Int[Tensor, " articles"],
    epoch: int,
    class_weights: Float[Tensor, " classes"] | None = None,
) -> bool:
    """Return whether validation predictions after an epoch (from 1) are better than every constant
    prediction, by more than chance.

    They are if one of two one-sided tests says so: `loss_p`, or `accuracy_p`, which knows no
    `class_weights`. Each has half of epoch t's share of `FALSE_ALARMS`, 1 / (t (t + 1)): the shares
    of all epochs add up to 1 (Bonferroni), and do not depend on how many are planned. Where fewer
    than `FEWEST` articles are outside the largest class, `accuracy_p` decides alone.
    """
    level = FALSE_ALARMS / (epoch * (epoch + 1))
    labels = labels.cpu()
    if len(labels) - int(torch.bincount(labels).max()) < FEWEST:
        return accuracy_p(logits, labels) < level
    return (
        loss_p(logits.double(), labels, class_weights) < level / 2
        or accuracy_p(logits, labels) < level / 2
    )


def loss_p(
    logits: Float[Tensor, "articles classes"],
    labels: Int[Tensor, " articles"],
    class_weights: Float[Tensor, " classes"] | None = None,
) -> float:
    """Return the p-value of a paired t-test that the articles' losses are lower than those of the
    classes' shares of these articles, which no constant prediction can beat (Gibbs).

    With class weights, articles weigh in losses and shares what they weigh in the training loss.
    It is 1 where the losses are not finite, and of a single article.
    """
    from scipy.special import stdtr

    count, classes = logits.shape
    weights = torch.ones(classes) if class_weights is None else class_weights.cpu()
    weights = weights.double()[labels]
    shares = torch.bincount(labels, weights, minlength=classes) / weights.sum()
    own = logits.log_softmax(1).gather(1, labels[:, None]).squeeze(1)
    gains = (weights * (own - shares[labels].log())).numpy()
    mean, spread = gains.mean(), gains.std(ddof=1) if count > 1 else math.nan
    if not np.isfinite(mean) or not np.isfinite(spread) or mean <= 0:
        return 1.0
    if spread == 0:
        return 0.0
    return float(stdtr(count - 1, -mean / (spread / math.sqrt(count))))


def accuracy_p(
    logits: Float[Tensor, "articles classes"], labels: Int[Tensor, " articles"]
) -> float:
    """Return the p-value of an exact binomial test that more articles are classified correctly than
    belong to the largest class."""
    from scipy.special import bdtrc

    correct = int((logits.argmax(1) == labels).sum())
    largest = int(torch.bincount(labels).max())
    if correct <= largest:
        return 1.0
    return float(bdtrc(correct - 1, len(labels), largest / len(labels)))

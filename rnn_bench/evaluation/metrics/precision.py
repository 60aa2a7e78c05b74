"""Precision of each class: the share of the articles predicted as the class that have its label, 0
for a class never predicted."""

import numpy as np
from jaxtyping import Float, Int
from sklearn.metrics import precision_score

from rnn_bench.evaluation.predictions import Predictions, ratio_by_article

BY_CLASS = True


def compute(predictions: Predictions) -> Float[np.ndarray, " classes"]:
    classes = range(len(predictions.classes))
    answers = (predictions.labels, predictions.predictions)
    return np.asarray(precision_score(*answers, labels=classes, average=None, zero_division=0.0))


def by_article(predictions: Predictions) -> Float[np.ndarray, "classes articles"]:
    found = []
    for each in range(len(predictions.classes)):
        predicted = predictions.predictions == each
        right = predicted & predictions.correct
        found.append(ratio_by_article(right.astype(float), predicted.astype(float)))
    return np.stack(found)


def counts(predictions: Predictions) -> Int[np.ndarray, " classes"]:
    return np.bincount(predictions.predictions, minlength=len(predictions.classes))

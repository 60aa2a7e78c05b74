"""Recall of each class: the share of the articles with its label that are predicted as the class, 0
for a class without test articles."""

import numpy as np
from jaxtyping import Float, Int
from sklearn.metrics import recall_score

from rnn_bench.evaluation.predictions import Predictions, ratio_by_article

BY_CLASS = True


def compute(predictions: Predictions) -> Float[np.ndarray, " classes"]:
    classes = range(len(predictions.classes))
    answers = (predictions.labels, predictions.predictions)
    return np.asarray(recall_score(*answers, labels=classes, average=None, zero_division=0.0))


def by_article(predictions: Predictions) -> Float[np.ndarray, "classes articles"]:
    found = []
    for each in range(len(predictions.classes)):
        labelled = predictions.labels == each
        right = labelled & predictions.correct
        found.append(ratio_by_article(right.astype(float), labelled.astype(float)))
    return np.stack(found)


def counts(predictions: Predictions) -> Int[np.ndarray, " classes"]:
    return np.bincount(predictions.labels, minlength=len(predictions.classes))

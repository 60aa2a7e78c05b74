"""F1 of each class: the harmonic mean of its precision and its recall, 0 where both are 0."""

import numpy as np
from jaxtyping import Float, Int
from sklearn.metrics import f1_score

from rnn_bench.evaluation.predictions import Predictions, ratio_by_article

BY_CLASS = True
LABEL = "F1"


def compute(predictions: Predictions) -> Float[np.ndarray, " classes"]:
    classes = range(len(predictions.classes))
    answers = (predictions.labels, predictions.predictions)
    return np.asarray(f1_score(*answers, labels=classes, average=None, zero_division=0.0))


def by_article(predictions: Predictions) -> Float[np.ndarray, "classes articles"]:
    found = []
    for each in range(len(predictions.classes)):
        labelled, predicted = predictions.labels == each, predictions.predictions == each
        both = labelled & predicted
        found.append(ratio_by_article(2.0 * both, labelled.astype(float) + predicted))
    return np.stack(found)


def counts(predictions: Predictions) -> Int[np.ndarray, " classes"]:
    classes = np.arange(len(predictions.classes))[:, None]
    either = (predictions.labels == classes) | (predictions.predictions == classes)
    return np.asarray(either.sum(1))

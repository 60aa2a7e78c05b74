"""Precision of each class: the share of the articles predicted as the class that have its label, 0
for a class never predicted."""

from jaxtyping import Float
from numpy import ndarray
from sklearn.metrics import precision_score

from rnn_bench.evaluation.predictions import Predictions

BY_CLASS = True


def compute(predictions: Predictions) -> Float[ndarray, " classes"]:
    classes = range(len(predictions.classes))
    answers = (predictions.labels, predictions.predictions)
    return precision_score(*answers, labels=classes, average=None, zero_division=0.0)

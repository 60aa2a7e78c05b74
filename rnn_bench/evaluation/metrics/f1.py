"""F1 of each class: the harmonic mean of its precision and its recall, 0 where both are 0."""

from jaxtyping import Float
from numpy import ndarray
from sklearn.metrics import f1_score

from rnn_bench.evaluation.predictions import Predictions

BY_CLASS = True
LABEL = "F1"


def compute(predictions: Predictions) -> Float[ndarray, " classes"]:
    classes = range(len(predictions.classes))
    answers = (predictions.labels, predictions.predictions)
    return f1_score(*answers, labels=classes, average=None, zero_division=0.0)

"""F1 of each class: the harmonic mean of its precision and its recall, 0 where both are 0."""

import numpy as np
from jaxtyping import Float
from sklearn.metrics import f1_score

from rnn_bench.evaluation.predictions import Predictions

BY_CLASS = True
LABEL = "F1"


def compute(predictions: Predictions) -> Float[np.ndarray, " classes"]:
    classes = range(len(predictions.classes))
    answers = (predictions.labels, predictions.predictions)
    return np.asarray(f1_score(*answers, labels=classes, average=None, zero_division=0.0))

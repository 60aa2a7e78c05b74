"""Macro F1: the unweighted mean of the classes' F1 scores, 0 for a class never predicted."""

import numpy as np
from jaxtyping import Float
from sklearn.metrics import f1_score

from rnn_bench.evaluation.metrics import f1
from rnn_bench.evaluation.predictions import Predictions

VERSION = 1
LABEL = "macro F1"


def compute(predictions: Predictions) -> float:
    classes = range(len(predictions.classes))
    answers = (predictions.labels, predictions.predictions)
    return float(f1_score(*answers, labels=classes, average="macro", zero_division=0.0))


def by_article(predictions: Predictions) -> Float[np.ndarray, " articles"]:
    return np.asarray(f1.by_article(predictions).mean(0))

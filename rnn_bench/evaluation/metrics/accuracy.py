"""Accuracy: the share of articles whose predicted class is their label."""

import numpy as np
from jaxtyping import Float

from rnn_bench.evaluation.predictions import Predictions

VERSION = 1


def compute(predictions: Predictions) -> float:
    return float(predictions.correct.mean())


def by_article(predictions: Predictions) -> Float[np.ndarray, " articles"]:
    return predictions.correct.astype(float)

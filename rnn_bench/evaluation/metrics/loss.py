"""Loss: the mean cross-entropy of the articles in nats, from the probability of each one's label.

A probability of 0 counts as the smallest positive number in double precision, 708 nats.
"""

import numpy as np
from jaxtyping import Float

from rnn_bench.evaluation.predictions import Predictions

IS_LOSS = True


def compute(predictions: Predictions) -> float:
    return float(by_article(predictions).mean())


def by_article(predictions: Predictions) -> Float[np.ndarray, " articles"]:
    given = predictions.probabilities[np.arange(len(predictions.labels)), predictions.labels]
    return np.asarray(-np.log(np.maximum(given, np.finfo(float).tiny)))

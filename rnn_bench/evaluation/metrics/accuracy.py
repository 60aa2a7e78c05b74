"""Accuracy: the share of articles whose predicted class is their label."""

from rnn_bench.evaluation.predictions import Predictions

VERSION = 1


def compute(predictions: Predictions) -> float:
    return float(predictions.correct.mean())

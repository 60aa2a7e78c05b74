"""Read stored test predictions, and score them."""

from collections.abc import Collection
from dataclasses import dataclass
from math import nan
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from rnn_bench.data.corpus import DataError
from rnn_bench.data.csv_files import read_csv, require_columns

PROBABILITY = "p_"


def probabilities(logits: Float[Tensor, "articles classes"]) -> Float[Tensor, "articles classes"]:
    """Return the classes' probabilities in double precision; nan where the model diverged."""
    return torch.softmax(logits.double(), dim=1)


@dataclass(frozen=True)
class Predictions:
    """A model's answer for each test article, in the order of the test file.

    Attributes:
        labels, predictions: positions in `classes`.
        probabilities: of each class; nan where the model diverged.
    """

    classes: tuple[str, ...]
    labels: Int[np.ndarray, " articles"]
    predictions: Int[np.ndarray, " articles"]
    probabilities: Float[np.ndarray, "articles classes"]

    @classmethod
    def from_logits(
        cls,
        logits: Float[Tensor, "articles classes"],
        labels: Int[Tensor, " articles"],
        classes: tuple[str, ...],
    ) -> "Predictions":
        """Return the predictions of the most probable class for each article."""
        shares = probabilities(logits).numpy()
        return cls(classes, labels.cpu().numpy(), logits.argmax(1).numpy(), shares)

    def of(self, articles: Shaped[np.ndarray, " some"]) -> "Predictions":
        """Return the predictions of some of the articles, by positions or a mask."""
        return Predictions(
            self.classes,
            self.labels[articles],
            self.predictions[articles],
            self.probabilities[articles],
        )

    @property
    def has_probabilities(self) -> bool:
        """Whether the model gives probabilities; not if it diverged."""
        return not np.isnan(self.probabilities).any()

    @property
    def certainties(self) -> Float[np.ndarray, " articles"]:
        """The probability of each article's most probable class."""
        return np.asarray(self.probabilities.max(1))

    @property
    def correct(self) -> Bool[np.ndarray, " articles"]:
        """Whether each article's prediction is its label."""
        return np.asarray(self.labels == self.predictions)


@dataclass(frozen=True)
class PredictionScores:
    """Scores of a run's test predictions beyond the recorded metrics.

    Shares lie between 0 and 1; nan where a number is undefined, and `undefined` says why, by the
    number's name.

    Attributes:
        articles: the number of test articles.
        roc_auc: of two classes the last is the positive one; of more, the unweighted mean of each
            one against the rest.
        confusion: articles by true (rows) and predicted class (columns), in the order of
            `classes`.
        unshared_accuracy, unshared_articles: of the test articles that share no text with
            training.
    """

    classes: tuple[str, ...]
    articles: int
    roc_auc: float
    confusion: Int[np.ndarray, "classes classes"]
    unshared_accuracy: float
    unshared_articles: int
    undefined: dict[str, str]


def read_predictions(path: Path) -> Predictions:
    """Return the predictions in a run's `test_predictions.csv`. "1" and "NA" are class names.

    Raises:
        DataError: the file is not there, or not a run's predictions.
    """
    table = require_columns(read_csv(path), path, ("article", "label", "prediction"))
    columns = [name for name in table.columns if name.startswith(PROBABILITY)]
    classes = tuple(name.removeprefix(PROBABILITY) for name in columns)
    if list(table["article"]) != [str(row) for row in range(len(table))]:
        raise DataError(f"{path} does not have the test articles in order: 0, 1, 2, ...")
    for column in ("label", "prediction"):
        unknown = sorted(set(table[column]) - set(classes))
        if unknown:
            raise DataError(
                f"{path} has {unknown[0]!r} as a {column} and no column {PROBABILITY}{unknown[0]}."
            )
    try:
        shares = table[columns].replace("", "nan").to_numpy().astype(np.float64)
    except ValueError as error:
        raise DataError(f"{path} has a probability that is not a number: {error}.") from None
    index = pd.Index(classes)
    return Predictions(
        classes,
        labels=index.get_indexer(pd.Index(table["label"])),
        predictions=index.get_indexer(pd.Index(table["prediction"])),
        probabilities=shares,
    )


def ratio_by_article(
    numerators: Float[np.ndarray, " articles"], denominators: Float[np.ndarray, " articles"]
) -> Float[np.ndarray, " articles"]:
    """Return a value for each article whose mean is the ratio of two sums over articles, and whose
    variance over articles gives the ratio's standard error to first order (the infinitesimal
    jackknife, Efron 1982, doi 10.1137/1.9781611970319, chapter 6); 0 where the denominator is."""
    whole = denominators.mean() if len(denominators) else 0.0
    if not whole:
        return np.zeros(len(denominators))
    ratio = numerators.mean() / whole
    return np.asarray(ratio + (numerators - ratio * denominators) / whole)


def evaluate_predictions(
    predictions: Predictions, shared: Collection[int] = ()
) -> PredictionScores:
    """Return the scores of predictions.

    `shared` are the positions of the test articles whose text is in the training file too.
    """
    from sklearn.metrics import confusion_matrix

    correct, classes = predictions.correct, range(len(predictions.classes))
    answers = (predictions.labels, predictions.predictions)
    unshared = np.ones(len(correct), dtype=bool)
    unshared[list(map(int, shared))] = False
    undefined = {}
    auc = nan
    absent = sorted(set(classes) - set(predictions.labels.tolist()))
    if not predictions.has_probabilities:
        undefined["roc_auc"] = "the model gives no probabilities: its training diverged"
    elif absent:
        reason = f"no test article has the label {predictions.classes[absent[0]]!r}"
        undefined["roc_auc"] = reason
    else:
        auc = _roc_auc(predictions)
    if not unshared.any():
        undefined["unshared_accuracy"] = "every test article shares its text with training"
    return PredictionScores(
        classes=predictions.classes,
        articles=len(correct),
        roc_auc=auc,
        confusion=confusion_matrix(*answers, labels=classes),
        unshared_accuracy=float(correct[unshared].mean()) if unshared.any() else nan,
        unshared_articles=int(unshared.sum()),
        undefined=undefined,
    )


def _roc_auc(predictions: Predictions) -> float:
    from sklearn.metrics import roc_auc_score

    count = len(predictions.classes)
    labels, probabilities = predictions.labels, predictions.probabilities
    positive = range(count) if count > 2 else [1]
    areas = [roc_auc_score(labels == each, probabilities[:, each]) for each in positive]
    return float(np.mean(areas))

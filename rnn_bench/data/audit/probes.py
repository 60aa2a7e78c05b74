"""Train classifiers that see one property of an article, such as its length.

On clean data they do no better than always naming the largest class. Where they do, a model can be
right for the wrong reason.
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from rnn_bench.data.audit.dateline import dateline
from rnn_bench.data.audit.results import Majority, ProbeResult
from rnn_bench.data.corpus import Articles, Columns

FIRST_WORDS = 5
LEAVES = 8
CONFIDENCE = 0.95
NORMAL = 2.576  # standard errors to an end of a 99 % interval, for the two further measures
BAG = "as a bag of words, TF-IDF with logistic regression"

Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Probe:
    """A property of an article, which a classifier sees alone.

    Attributes:
        name, what: the property, in short and in full.
        column: the column of `Articles.columns` with it. None: the prepared text.
        view: returns the property from a value of that column.
    """

    name: str
    what: str
    column: str | None
    view: Callable[[str], str]


PROBES = (
    Probe(
        "length alone",
        f"The number of words of the prepared text, with a decision tree of {LEAVES} leaves.",
        None,
        lambda text: str(len(text.split())),
    ),
    Probe(
        "dateline alone",
        f"The dateline of the text before preparation, or that there is none, {BAG}.",
        "text",
        dateline,
    ),
    Probe("subject alone", f"The column subject, {BAG}.", "subject", str),
    Probe("date alone", f"The column date, {BAG}.", "date", str),
    Probe(
        "first five words",
        f"The first {FIRST_WORDS} words of the prepared text, {BAG}.",
        None,
        lambda text: " ".join(text.split(maxsplit=FIRST_WORDS)[:FIRST_WORDS]),
    ),
)


def majority(articles: Articles) -> Majority:
    """Return the accuracy of always naming the training articles' most frequent class."""
    train_labels, test_labels = articles.train[1], articles.test[1]
    most = int(np.bincount(train_labels, minlength=len(articles.classes)).argmax())
    return Majority(
        class_name=articles.classes[most],
        accuracy=test_labels.count(most) / len(test_labels),
        n=len(test_labels),
    )


def probe_results(articles: Articles, columns: Columns, unavailable: str) -> list[ProbeResult]:
    """Fit every probe on the training articles and score it on the test articles.

    `unavailable` says why the raw columns are not there, if that is known.
    """
    return [_result(probe, articles, columns, unavailable) for probe in PROBES]


def _result(probe: Probe, articles: Articles, columns: Columns, unavailable: str) -> ProbeResult:
    if probe.column is None:
        train, test = articles.train[0], articles.test[0]
    elif probe.column in columns:
        train, test = columns[probe.column]
        train = train[: len(articles.train[0])]
    else:
        missing = unavailable or f"there is no raw column {probe.column}"
        return ProbeResult(probe.name, probe.what, missing=missing)
    return score(
        probe.name,
        probe.what,
        _tree() if probe.name == "length alone" else _bag_of_words(),
        ([*map(probe.view, train)], np.array(articles.train[1])),
        ([*map(probe.view, test)], np.array(articles.test[1])),
    )


def score(
    name: str, what: str, classifier: Any, train: tuple[Any, Labels], test: tuple[Any, Labels]
) -> ProbeResult:
    """Fit a classifier to training articles' values and labels, and score it on test articles'.

    The interval is Wilson's (Journal of the American Statistical Association 22, 1927).
    """
    from scipy.stats import binomtest

    values, labels = test
    predicted = classifier.fit(*train).predict(values)
    right, n = int((predicted == labels).sum()), len(labels)
    interval = binomtest(right, n).proportion_ci(CONFIDENCE, method="wilson")
    low, high = float(interval.low), float(interval.high)
    present = np.unique(labels)
    balanced, balanced_low = _balanced_accuracy(labels, predicted, present)
    auc, auc_low = _auc(labels, classifier.predict_proba(values), classifier.classes_)
    return ProbeResult(
        *(name, what, right / n, low, high, n),
        *(balanced, balanced_low, auc, auc_low, 1 / len(present)),
    )


def _balanced_accuracy(labels: Labels, predicted: Labels, present: Labels) -> tuple[float, float]:
    """Return the mean of the recalls of the classes that are present, and the low end of its
    interval: recalls are independent shares, each in Agresti and Coull's form (1998)."""
    counts = np.array([(labels == each).sum() for each in present])
    right = np.array([((labels == each) & (predicted == each)).sum() for each in present])
    shares = (right + 2) / (counts + 4)
    error = np.sqrt((shares * (1 - shares) / (counts + 4)).sum()) / len(present)
    value = float((right / counts).mean())
    return value, value - NORMAL * float(error)


def _auc(
    labels: Labels, probabilities: Float[np.ndarray, "articles classes"], classes: Labels
) -> tuple[float | None, float | None]:
    """Return the mean area under the ROC curve of each class against the rest, and the low end of
    its interval (Hanley and McNeil 1982, doi 10.1148/radiology.143.1.7063747; the errors of several
    classes are taken to be one). None where the test articles have one class."""
    from sklearn.metrics import roc_auc_score

    areas, errors = [], []
    positive = classes if len(classes) > 2 else classes[1:]
    for column, each in enumerate(classes):
        is_class = labels == each
        inside, outside = int(is_class.sum()), int((~is_class).sum())
        if each not in positive or not inside or not outside:
            continue
        area = float(roc_auc_score(is_class, probabilities[:, column]))
        pairs = (inside - 1) * (area / (2 - area) - area**2)
        pairs += (outside - 1) * (2 * area**2 / (1 + area) - area**2)
        errors.append(math.sqrt((area * (1 - area) + pairs) / (inside * outside)))
        areas.append(area)
    if not areas:
        return None, None
    return mean(areas), mean(areas) - NORMAL * mean(errors)


def _tree() -> Any:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer
    from sklearn.tree import DecisionTreeClassifier

    numbers = FunctionTransformer(lambda values: [[int(value)] for value in values])
    return make_pipeline(numbers, DecisionTreeClassifier(max_leaf_nodes=LEAVES, random_state=0))


def _bag_of_words() -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline

    return make_pipeline(TfidfVectorizer(analyzer=_words), logistic_regression())


def logistic_regression() -> Any:
    """Return the classifier of all probes that read words."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=10, max_iter=1000)


def _words(value: str) -> Sequence[str]:
    return re.findall(r"\w+", value) or [""]  # that there are no words is a feature too

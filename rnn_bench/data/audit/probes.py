"""Classifiers that see almost nothing of an article. On clean data they do no better than always
naming the largest class; where they do, a model can be right for the wrong reason."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rnn_bench.data.corpora.study import DATELINE
from rnn_bench.data.corpus import Articles

FIRST_WORDS = 5
LONGEST_DATELINE = 100  # characters; a dash further on ends a sentence, not a dateline
LEAVES = 8
CONFIDENCE = 0.95
BAG = "as a bag of words, TF-IDF with logistic regression"


@dataclass(frozen=True)
class Probe:
    """What a classifier sees of an article.

    Attributes:
        column: the column of `Corpus.columns` that it is taken from; None: the prepared text.
        view: what is seen of a value of that column.
    """

    name: str
    what: str
    column: str | None
    view: Callable[[str], str]


def dateline(text: str) -> str:
    """What the study's rule would remove from an article before preparation, such as
    `WASHINGTON (Reuters) - `; nothing where that is too long to be a dateline."""
    match = DATELINE.match(text)
    return match.group() if match and len(match.group()) <= LONGEST_DATELINE else ""


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


def majority(articles: Articles) -> dict[str, Any]:
    """The training articles' most frequent class, and its share of the `n` test articles."""
    trained, tested = articles.train[1], articles.test[1]
    most = max(range(len(articles.classes)), key=trained.count)
    return {
        "class": articles.classes[most],
        "accuracy": tested.count(most) / len(tested),
        "n": len(tested),
    }


def probe_accuracies(
    articles: Articles, columns: Mapping[str, tuple[list[str], list[str]]], unavailable: str
) -> list[dict[str, Any]]:
    """Every probe fitted on the training articles and scored on the test articles.

    `unavailable` is why a column that a probe needs is not among the columns.

    Returns:
        name, what, accuracy, its 95 % interval low to high (Wilson, Journal of the American
        Statistical Association 22, 1927) and n test articles; or, in `missing`, why there are none.
    """
    return [_probed(probe, articles, columns, unavailable) for probe in PROBES]


def _probed(
    probe: Probe,
    articles: Articles,
    columns: Mapping[str, tuple[list[str], list[str]]],
    unavailable: str,
) -> dict[str, Any]:
    from scipy.stats import binomtest

    entry: dict[str, Any] = {"name": probe.name, "what": probe.what}
    if probe.column is not None and probe.column not in columns:
        figures = dict.fromkeys(("accuracy", "low", "high", "n"))
        return {
            **entry,
            **figures,
            "missing": unavailable or f"there is no raw column {probe.column}",
        }
    train, test = columns[probe.column] if probe.column else (articles.train[0], articles.test[0])
    classifier = _tree() if probe.name == "length alone" else _bag_of_words()
    classifier.fit([*map(probe.view, train)], articles.train[1])
    predicted = classifier.predict([*map(probe.view, test)])
    right, n = int((predicted == articles.test[1]).sum()), len(test)
    interval = binomtest(right, n).proportion_ci(CONFIDENCE, method="wilson")
    return {
        **entry,
        "accuracy": right / n,
        "low": float(interval.low),
        "high": float(interval.high),
        "n": n,
        "missing": None,
    }


def _tree() -> Any:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer
    from sklearn.tree import DecisionTreeClassifier

    numbers = FunctionTransformer(lambda values: [[int(value)] for value in values])
    return make_pipeline(numbers, DecisionTreeClassifier(max_leaf_nodes=LEAVES, random_state=0))


def _bag_of_words() -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    return make_pipeline(TfidfVectorizer(analyzer=_words), LogisticRegression(C=10, max_iter=1000))


def _words(value: str) -> Sequence[str]:
    return re.findall(r"\w+", value) or [""]  # that there are no words is a feature too

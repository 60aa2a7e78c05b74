"""The results of a corpus's audit, which are cached and recorded as JSON."""

import json
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from rnn_bench.data.corpus import DataError


@dataclass(frozen=True)
class Histogram:
    """Counts of articles by words: `counts[i]` have edges[i] to edges[i + 1] - 1 words."""

    edges: list[int]
    counts: list[int]


@dataclass(frozen=True)
class WordCounts:
    """The distribution of the number of words of a class's articles."""

    min: float
    q25: float
    median: float
    q75: float
    max: float
    mean: float
    histogram: Histogram


@dataclass(frozen=True)
class SplitSizes:
    """The size of the training or of the test file.

    Attributes:
        articles, classes: the number of all articles, and of each class.
        words: words an article, by class. Classes without articles have no entry.
    """

    articles: int
    classes: dict[str, int]
    words: dict[str, WordCounts]


@dataclass(frozen=True)
class ExactDuplicates:
    """Articles whose texts are equal, character by character.

    Attributes:
        within_train, within_test: articles beyond the first of each group of equal texts in a
            split.
        test_in_train: test articles whose text is a training article's.
        contradicting: articles of both splits whose text also appears with another label.
    """

    within_train: int
    within_test: int
    test_in_train: int
    contradicting: int


@dataclass(frozen=True)
class NearDuplicates:
    """Articles that are similar to others and not equal to them.

    Attributes:
        threshold: the least Jaccard similarity of near duplicates.
        method: how they are found, in words.
        within_train, within_test: different texts of a split that are similar to one before them.
        test_in_train: test articles that are similar to a training article and equal to none.
    """

    threshold: float
    method: str
    within_train: int
    within_test: int
    test_in_train: int


@dataclass(frozen=True)
class Majority:
    """The accuracy of always naming the training articles' most frequent class: its share of the
    `n` test articles."""

    class_name: Annotated[str, Field(alias="class")]
    accuracy: float
    n: int


@dataclass(frozen=True)
class ProbeResult:
    """The test accuracy of a classifier that sees one property of an article.

    Attributes:
        name, what: the property, in short and in full.
        accuracy: on `n` test articles.
        low, high: the 95 % confidence interval (Wilson) of the accuracy.
        balanced_accuracy: the mean of the classes' recalls.
        auc: the area under the ROC curve; of more than two classes the mean of each one against
            the rest.
        balanced_low, auc_low: the low ends of their 99 % confidence intervals.
        chance: the balanced accuracy of every constant: one over the test articles' classes.
        missing: why there is no accuracy, if there is none.
    """

    name: str
    what: str
    accuracy: float | None = None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    balanced_accuracy: float | None = None
    balanced_low: float | None = None
    auc: float | None = None
    auc_low: float | None = None
    chance: float | None = None
    missing: str | None = None


@dataclass(frozen=True)
class TellingWord:
    """A word that stands in more of a class's articles than of the others'.

    Attributes:
        information: how much its presence tells of the class in training, in bits.
        train, train_others: the share of the class's training articles that have it, and of those
            of the other classes.
        test, test_others: the same of the test articles. None: there are no such articles.
    """

    word: str
    information: float
    train: float | None
    train_others: float | None
    test: float | None
    test_others: float | None


@dataclass(frozen=True)
class TellingWords:
    """The single words that tell the most of each class.

    Attributes:
        tokens: the value of `protocol.tokens` by which texts were cut into words.
        words: those of each class, the most telling first.
        probe: the result of a classifier that sees which of them an article has.
    """

    tokens: str
    words: dict[str, list[TellingWord]]
    probe: ProbeResult


@dataclass(frozen=True)
class DatelineCuts:
    """What the study's rule for datelines removed from the articles of a split.

    Attributes:
        articles: how many lost their start.
        limit: the longest that a dateline is, in characters.
        beyond: how many lost more than that.
        longest: the most that one lost, in characters.
    """

    articles: int
    limit: int
    beyond: int
    longest: int


@dataclass(frozen=True, kw_only=True)
class CorpusAudit:
    """What an audit found in a corpus. "Train" is the whole training file, of which a protocol
    takes a part for validation.

    Attributes:
        corpus: its name.
        edition, fingerprint: see `Content`.
        left_out: see `Articles`.
        splits: sizes of `train` and `test`.
        test_articles_in_train, test_articles_near_train: positions in the test file of the
            articles that `duplicates.test_in_train` and `near_duplicates.test_in_train` count.
        telling_words: None in audits that were recorded before there were any.
        dateline_cuts: of `train` and `test`; {} where the study's rule for datelines was not
            applied, or its raw files are not there.
    """

    corpus: str
    edition: str
    fingerprint: str
    left_out: str = ""
    splits: dict[str, SplitSizes]
    duplicates: ExactDuplicates
    near_duplicates: NearDuplicates
    test_articles_in_train: list[int] = field(default_factory=list)
    test_articles_near_train: list[int] = field(default_factory=list)
    majority: Majority
    probes: list[ProbeResult]
    telling_words: TellingWords | None = None
    dateline_cuts: dict[str, DatelineCuts] = field(default_factory=dict)

    @property
    def best_constant(self) -> float:
        """The share of the test articles' largest class: the best that a constant can do."""
        test = self.splits["test"]
        return max(test.classes.values()) / test.articles

    @property
    def all_probes(self) -> list[ProbeResult]:
        """The results of the probes, and last that of the telling words."""
        return self.probes + ([self.telling_words.probe] if self.telling_words else [])

    def beats_constant(self, probe: ProbeResult) -> bool:
        """Return whether a probe's confidence interval lies above the best constant: that of
        accuracy, or where classes are unequal that of balanced accuracy or AUC."""
        ends = (
            (probe.low, self.best_constant),
            (probe.balanced_low, probe.chance),
            (probe.auc_low, 0.5),
        )
        return any(
            low is not None and constant is not None and low > constant for low, constant in ends
        )

    def to_json(self) -> str:
        """Return the audit as JSON."""
        return json.dumps(_JSON.dump_python(self, by_alias=True), indent=2)

    @classmethod
    def from_json(cls, text: str | bytes, source: object) -> "CorpusAudit":
        """Return the audit that JSON describes.

        Args:
            source: the file that an error names.

        Raises:
            DataError: it is not JSON, a value is missing or of another type, or there are no test
                articles, or not those that it counts as duplicates.
        """
        try:
            audit = _JSON.validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            path = ".".join(map(str, first["loc"]))
            raise DataError(
                f"{source} is not the audit of a corpus: {path}{': ' * bool(path)}{first['msg']}."
            ) from error
        test = audit.splits.get("test")
        if test is None or test.articles < 1 or not test.classes:
            raise DataError(f"{source} is not the audit of a corpus: it has no test articles.")
        positions = audit.test_articles_in_train + audit.test_articles_near_train
        if any(not 0 <= position < test.articles for position in positions):
            raise DataError(f"{source} names duplicates that are no test articles.")
        return audit


_JSON = TypeAdapter(CorpusAudit)

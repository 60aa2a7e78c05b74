"""The most telling words of each class, and the classifier that sees them alone."""

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.feature_selection import mutual_info_classif
from sklearn.linear_model import LogisticRegression

from rnn_bench.data.audit.results import CorpusAudit, TellingWord, TellingWords
from rnn_bench.data.audit.summary import findings, summary
from rnn_bench.data.audit.telling_words import WORDS, find_telling_words, information
from rnn_bench.data.corpus import Articles
from tests.data.planted import Rows, articles, audit_of

HINTS = {"fake": ("via", "image", "video"), "real": ("reuters", "said", "minister")}
Split = tuple[list[str], list[int]]


def hinting(count: int, seed: int) -> Rows:
    """Articles that have each hint with a probability of its own, which its class trebles."""
    chance = random.Random(seed)
    rows = []
    for text, label in articles(count, seed):
        words = text.split()
        for of_class, hints in HINTS.items():
            for rank, hint in enumerate(hints, start=1):
                if chance.random() < 0.3 / rank * (1 if of_class == label else 1 / 3):
                    words.insert(chance.randrange(len(words)), f"{hint} {hint}")
        rows.append((" ".join(words), label))
    return rows


def labelled(rows: Rows, classes: Sequence[str] = ("fake", "real")) -> Split:
    return [text for text, _ in rows], [classes.index(label) for _, label in rows]


def found_in(train: Split, test: Split, classes: Sequence[str] = ("fake", "real")) -> TellingWords:
    return find_telling_words(Articles(train, test, tuple(classes)), "words")


def telling_words(audit: CorpusAudit) -> TellingWords:
    assert audit.telling_words
    return audit.telling_words


def test_the_information_is_scikit_learn_s_mutual_information() -> None:
    """Of words with any share of either class, and of none and all of the articles."""
    chance = np.random.default_rng(0)
    labels = chance.random(500) < 0.3
    presence = chance.random((500, 60)) < np.where(labels[:, None], *chance.random((2, 60)))
    presence[:, 0], presence[:, 1], presence[:, 2] = False, True, labels
    having, total = presence[labels].sum(axis=0), presence.sum(axis=0)
    expected = mutual_info_classif(presence, labels, discrete_features=True) / np.log(2)
    assert information(having, total, int(labels.sum()), 500) == pytest.approx(expected, abs=1e-12)


def test_the_most_telling_words_of_each_class_are_found_with_their_shares() -> None:
    train, test = hinting(2000, 0), hinting(1000, 1)
    found = found_in(labelled(train), labelled(test))
    assert {name: {each.word for each in words} for name, words in found.words.items()} == {
        name: {*hints} for name, hints in HINTS.items()
    }
    for name, words in found.words.items():
        assert [each.information for each in words] == sorted(
            (each.information for each in words), reverse=True
        )
        for each in words:
            assert each == TellingWord(
                *(each.word, each.information),
                *share_of(each.word, train, name),
                *share_of(each.word, test, name),
            )


def share_of(word: str, rows: Rows, name: str) -> tuple[float, float]:
    own = [word in text.split() for text, label in rows if label == name]
    others = [word in text.split() for text, label in rows if label != name]
    return sum(own) / len(own), sum(others) / len(others)


def test_the_classifier_of_telling_words_is_a_logistic_regression_of_their_presence() -> None:
    (texts, labels), (test_texts, test_labels) = (
        labelled(hinting(2000, 0)),
        labelled(hinting(999, 1)),
    )
    probe = found_in((texts, labels), (test_texts, test_labels)).probe
    seen = CountVectorizer(vocabulary=sorted(sum(HINTS.values(), ())), binary=True)
    model = LogisticRegression(C=10, max_iter=1000).fit(seen.transform(texts), labels)
    assert probe.accuracy == model.score(seen.transform(test_texts), test_labels)
    assert probe.n == 999
    assert probe.low is not None
    assert 0.6 < probe.low < probe.accuracy


def test_the_training_articles_alone_decide_which_words_are_telling() -> None:
    train = labelled(hinting(500, 0))
    words, labels = labelled(hinting(200, 1))
    found = found_in(train, (words, labels))
    swapped = found_in(train, (words, [1 - label for label in labels]))
    assert [
        (each.word, each.information, each.train, each.train_others, each.test, each.test_others)
        for each in found.words["real"]
    ] == [
        (each.word, each.information, each.train, each.train_others, each.test_others, each.test)
        for each in swapped.words["real"]
    ]
    assert found.words["real"]
    assert found.probe.accuracy == pytest.approx(1 - (swapped.probe.accuracy or 0))


def test_at_most_a_few_words_of_each_of_many_classes_are_taken() -> None:
    """Each class has ten words that no other has, and one that its neighbour has too."""
    classes = [f"class{i:02}" for i in range(20)]
    rows = [
        (" ".join([*(f"{name}w{i}" for i in range(10)), f"shared{number // 2}", text]), name)
        for number, name in enumerate(classes)
        for text, _ in articles(30, number)
    ]
    found = found_in(labelled(rows, classes), labelled(rows, classes), classes)
    assert [*found.words] == classes
    for name, words in found.words.items():
        assert [each.word for each in words] == [f"{name}w{i}" for i in range(WORDS)]
        assert {(each.train, each.train_others) for each in words} == {(1, 0)}
    assert found.probe.accuracy == 1


def test_words_that_chance_may_have_chosen_are_left_out(tmp_path: Path) -> None:
    audit = audit_of(tmp_path, articles(400, 0), articles(200, 1))
    found = telling_words(audit)
    assert found.words == {"fake": [], "real": []}
    assert found.probe.accuracy is None
    assert "telling words" in summary(audit)
    assert "not computed: no word tells more than chance might" in summary(audit)
    assert summary(audit).endswith("fake   none\nreal   none")


def test_a_class_without_test_articles_has_no_share_of_them() -> None:
    rows = hinting(500, 0)
    only_real = labelled([row for row in hinting(200, 1) if row[1] == "real"])
    found = found_in(labelled(rows), only_real)
    assert {each.test for each in found.words["fake"]} == {None}
    assert {each.test_others for each in found.words["real"]} == {None}
    assert all(each.test is not None for each in found.words["real"])


def test_a_class_without_training_articles_has_no_telling_words() -> None:
    classes = ("fake", "real", "new")
    test = [*hinting(100, 1), ("via reuters", "new")]
    found = found_in(labelled(hinting(500, 0), classes), labelled(test, classes), classes)
    assert [name for name, words in found.words.items() if words] == ["fake", "real"]


def test_texts_without_words_tell_by_the_words_that_they_lack() -> None:
    train: Split = (["", " ", "yes yes"] * 20, [0, 0, 1] * 20)
    found = found_in(train, train)
    assert {name: [each.word for each in words] for name, words in found.words.items()} == {
        "fake": [],
        "real": ["yes"],
    }
    assert found.probe.accuracy == 1


def test_texts_are_cut_as_models_read_them() -> None:
    train: Split = (["wow!", "ok."] * 40, [0, 1] * 40)
    cut = {
        kind: find_telling_words(Articles(train, train, ("a", "b")), kind).words
        for kind in ("whitespace", "words", "characters")
    }
    assert {kind: {each.word for each in words["a"]} for kind, words in cut.items()} == {
        "whitespace": {"wow!"},
        "words": {"wow", "!"},
        "characters": {"w", "!"},
    }


def test_the_summary_lists_telling_words_but_they_are_no_fault(tmp_path: Path) -> None:
    audit = audit_of(tmp_path, hinting(2000, 0), hinting(1000, 1))
    said = summary(audit)
    (row,) = (line for line in said.splitlines() if line.startswith("telling words   "))
    assert row.split()[2] == f"{telling_words(audit).probe.accuracy:.3f}"
    first = telling_words(audit).words["real"][0]
    assert f"\nreal   {first.word} {first.test:.1%} {first.test_others:.1%}   " in said
    assert audit.beats_constant(telling_words(audit).probe)
    assert "telling" not in findings(audit)


def test_a_word_cannot_take_over_the_terminal(tmp_path: Path) -> None:
    sign = "\x1b[2J" + "long" * 100
    rows = [(f"{sign} {t}" if c == "real" else t, c) for t, c in articles(200, 0)]
    said = summary(audit_of(tmp_path, rows, rows))
    assert "\x1b" not in said
    assert max(map(len, said.splitlines())) < 250

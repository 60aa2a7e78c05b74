import itertools
import random
from collections.abc import Callable
from pathlib import Path

from rnn_bench.config.schema import Config
from rnn_bench.data.audit import audit, audited
from rnn_bench.data.audit.duplicates import jaccard, near_pairs, shingles
from rnn_bench.data.audit.probes import dateline
from rnn_bench.data.audit.summary import findings, summary
from rnn_bench.data.corpora.csv import CsvCorpus
from tests.data.planted import (
    CITIES,
    WORDS,
    Rows,
    articles,
    audit_of,
    corpus_of,
    other,
    probe,
    with_other_words,
    write,
)


def test_clean_articles_have_no_duplicates_and_fail_every_probe(tmp_path: Path) -> None:
    found = audit_of(tmp_path, articles(400, 0), articles(200, 1))
    kinds = ("within_train", "within_test", "test_in_train")
    assert found["duplicates"] == {**dict.fromkeys(kinds, 0), "contradicting": 0}
    assert [found["near_duplicates"][kind] for kind in kinds] == [0, 0, 0]
    for name in ("length alone", "dateline alone", "first five words"):
        assert probe(found, name)["low"] <= found["majority"]["accuracy"]
    assert findings(found) == ""


def test_nothing_is_wrong_with_the_demo_corpus(configured: Callable[..., Config]) -> None:
    assert findings(audited(configured())) == ""


def test_planted_duplicates_and_near_duplicates_are_found_and_nothing_else(tmp_path: Path) -> None:
    train, test = articles(200, 0), articles(100, 1)
    contradicted, in_both = train[9], train[10]
    near_to_train, near_to_test = train[20][0], test[30][0]
    train += [train[0], train[0], train[1], (contradicted[0], other(contradicted[1]))]
    train += [(with_other_words(near_to_train, [30]), "real")]
    train += [(with_other_words(train[22][0], [20, 40]), "real")]  # two words of 60 are too many
    test += [test[0], train[5], train[6], train[5], (in_both[0], other(in_both[1]))]
    test += [(with_other_words(near_to_train, [40]), "fake")]
    test += [(with_other_words(near_to_test, [30]), "fake")]
    found = audit_of(tmp_path, train, test)
    assert found["duplicates"] == {
        "within_train": 4,
        "within_test": 2,
        "test_in_train": 4,
        "contradicting": 4,
    }
    assert found["test_articles_in_train"] == [101, 102, 103, 104]
    near = found["near_duplicates"]
    counts = [near[kind] for kind in ("within_train", "within_test", "test_in_train")]
    assert counts == [1, 1, 1]
    assert found["test_articles_near_train"] == [105]
    assert findings(found) == (
        "planted: 4 of 107 test articles also stand in the training file; "
        "1 of 107 test articles are near duplicates of training articles; "
        "4 articles stand under different labels"
    )


def test_an_equal_text_is_not_a_near_duplicate_too(tmp_path: Path) -> None:
    train, test = articles(60, 0), articles(30, 1)
    changed = (with_other_words(train[0][0], [30]), "fake")
    found = audit_of(tmp_path, [*train, changed, changed], [*test, changed, train[0]])
    assert found["near_duplicates"]["within_train"] == 1
    assert found["near_duplicates"]["test_in_train"] == 0
    assert found["test_articles_in_train"] == [30, 31]


def test_near_pairs_are_those_of_comparing_every_pair() -> None:
    chance = random.Random(3)
    texts = [text for text, _ in articles(30, 3)]
    for text in list(texts):
        for changes in range(1, 8):  # one word amounts to 0.84, the first or last few to more
            texts.append(with_other_words(text, chance.sample([0, 1, 2, 57, 58, 59], k=1)))
            texts.append(with_other_words(text, chance.sample(range(WORDS), k=changes)))
    texts = list(dict.fromkeys(texts))
    sets = [shingles(text) for text in texts]
    every = itertools.combinations(range(len(texts)), 2)
    expected = {(b, a) for a, b in every if jaccard(sets[a], sets[b]) >= 0.8}
    assert len(expected) > 100
    assert set(near_pairs(texts)) == expected


def test_texts_of_no_or_few_words_can_be_compared() -> None:
    assert near_pairs(["", "  ", "one two", "one  two", "one three"]) == [(3, 2)]


def test_a_planted_dateline_is_found_and_length_is_not_blamed(tmp_path: Path) -> None:
    chance = random.Random(0)

    def dated(rows: Rows) -> Rows:
        return [
            (f"{chance.choice(CITIES)} (Reuters) - {' '.join(text.split()[3:])}", label)
            if label == "real"
            else (text, label)
            for text, label in rows
        ]

    found = audit_of(tmp_path, dated(articles(400, 0)), dated(articles(200, 1)))
    assert probe(found, "dateline alone")["accuracy"] == 1
    assert probe(found, "dateline alone")["low"] > 0.95
    assert probe(found, "length alone")["accuracy"] == found["majority"]["accuracy"]


def test_the_dateline_is_read_before_cleaning_takes_its_dash(tmp_path: Path) -> None:
    for name, seed in (("train.csv", 0), ("test.csv", 1)):
        rows = [(f"ROME - {t}" if c == "real" else t, c) for t, c in articles(100, seed)]
        write(tmp_path / name, rows)
    found = audit(corpus_of(tmp_path, "study"), "planted")
    assert probe(found, "dateline alone")["accuracy"] == 1


def test_a_dash_late_in_a_sentence_is_no_dateline() -> None:
    assert dateline("WASHINGTON (Reuters) - The senate - voted.") == "WASHINGTON (Reuters) - "
    assert dateline(f"{'All of them voted ' * 10}- twice.") == ""
    assert dateline("No dash at all.") == ""


def test_a_planted_length_is_found(tmp_path: Path) -> None:
    def shortened(rows: Rows) -> Rows:
        return [(" ".join(t.split()[:40]) if c == "real" else t, c) for t, c in rows]

    found = audit_of(tmp_path, shortened(articles(200, 0)), shortened(articles(100, 1)))
    assert probe(found, "length alone")["accuracy"] == 1
    words = found["splits"]["train"]["words"]
    assert (words["real"]["min"], words["real"]["max"], words["fake"]["median"]) == (40, 40, 60)
    assert "length alone 1.000" in findings(found)


def test_subject_and_date_are_probed_where_there_are_such_columns(tmp_path: Path) -> None:
    def dated(rows: Rows) -> Rows:
        days = itertools.cycle(["May 1, 2017", "May 2, 2017", "May 3, 2017"])
        return [(t, c, "world" if c == "real" else "left-news", next(days)) for t, c in rows]

    columns = ("text", "label", "subject", "date")
    found = audit_of(tmp_path, dated(articles(200, 0)), dated(articles(100, 1)), columns)
    assert probe(found, "subject alone")["accuracy"] == 1
    assert probe(found, "date alone")["low"] <= found["majority"]["accuracy"]
    assert probe(found, "date alone")["missing"] is None


def test_a_probe_without_its_column_says_so(tmp_path: Path) -> None:
    found = audit_of(tmp_path, articles(40, 0), articles(20, 1))
    missing = probe(found, "subject alone")
    assert missing["missing"] == "there is no raw column subject"
    assert [missing[key] for key in ("accuracy", "low", "high", "n")] == [None] * 4


def test_the_label_is_no_probe_of_itself(tmp_path: Path) -> None:
    for name, seed in (("train.csv", 0), ("test.csv", 1)):
        write(tmp_path / name, articles(40, seed), ("text", "subject"))
    files = (str(tmp_path / "train.csv"), str(tmp_path / "test.csv"))
    corpus = CsvCorpus(*files, 0.2, "text", "subject", "lower", False, tmp_path)
    assert [*corpus.columns()] == ["text"]


def test_sizes_classes_and_lengths_add_up(tmp_path: Path) -> None:
    train, test = articles(80, 0), articles(40, 1)
    found = audit_of(tmp_path, train, test)
    for split, rows in (("train", train), ("test", test)):
        figures = found["splits"][split]
        assert figures["articles"] == len(rows)
        for name in ("fake", "real"):
            count = sum(label == name for _, label in rows)
            assert figures["classes"][name] == count
            assert sum(figures["words"][name]["histogram"]["counts"]) == count
    real = sum(label == "real" for _, label in train) > 40
    assert found["majority"]["class"] == ("real" if real else "fake")


def test_a_class_without_test_articles_has_no_lengths(tmp_path: Path) -> None:
    test = [(text, "real") for text, _ in articles(20, 1)]
    found = audit_of(tmp_path, articles(40, 0), test)
    assert found["splits"]["test"]["classes"] == {"fake": 0, "real": 20}
    assert [*found["splits"]["test"]["words"]] == ["real"]
    assert "fake 0 (0.0%), words none" in summary(found)

import csv
import itertools
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from rnn_bench.config.options import UsageError
from rnn_bench.config.schemas import Config
from rnn_bench.data.__main__ import main
from rnn_bench.data.audit import audit, audited
from rnn_bench.data.audit.duplicates import jaccard, near_pairs, shingles
from rnn_bench.data.audit.probes import dateline
from rnn_bench.data.audit.summary import findings, summary
from rnn_bench.data.corpus import DataError
from rnn_bench.data.study import StudyCorpus, prepare, write_preprocessed
from rnn_bench.data.tables import CsvCorpus

Rows = list[tuple[str, ...]]
LEXICON = ["".join(letters) for letters in itertools.product("bdfgklmn", "aeiou", "prstvz", "aeo")]
WORDS = 60
CITIES = ("OSLO", "LIMA", "CAIRO", "SEOUL", "PARIS", "QUITO")


def articles(count: int, seed: int) -> Rows:
    """Texts of random words, and labels that have nothing to do with them."""
    chance = random.Random(seed)
    return [
        (" ".join(chance.choices(LEXICON, k=WORDS)), chance.choice(["fake", "real"]))
        for _ in range(count)
    ]


def with_other_words(text: str, positions: Sequence[int]) -> str:
    words = text.split()
    for position in positions:
        words[position] = "other"
    return " ".join(words)


def other(label: str) -> str:
    return "real" if label == "fake" else "fake"


def write(path: Path, rows: Rows, columns: Sequence[str] = ("text", "label")) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, *rows])


def corpus_of(folder: Path, cleaning: str = "lower") -> CsvCorpus:
    files = (str(folder / "train.csv"), str(folder / "test.csv"))
    return CsvCorpus(*files, 0.2, "text", "label", cleaning, False, folder)


def audit_of(
    folder: Path, train: Rows, test: Rows, columns: Sequence[str] = ("text", "label")
) -> dict[str, Any]:
    write(folder / "train.csv", train, columns)
    write(folder / "test.csv", test, columns)
    return audit(corpus_of(folder), "planted")


def probe(found: dict[str, Any], name: str) -> dict[str, Any]:
    (entry,) = (each for each in found["probes"] if each["name"] == name)
    return dict(entry)


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


# --- the study's corpora ---------------------------------------------------------------------


def raw_isot(folder: Path, count: int = 30) -> None:
    (folder / "isot" / "raw").mkdir(parents=True)
    for name, seed, subject in (("True.csv", 0, "worldnews"), ("Fake.csv", 1, "left-news")):
        start = "ROME (Reuters) - " if name == "True.csv" else ""
        rows = [
            (f"title{i}", start + text, subject, f"May {i}, 2017")
            for i, (text, _) in enumerate(articles(count, seed))
        ]
        write(folder / "isot" / "raw" / name, rows, ("title", "text", "subject", "date"))


def test_the_raw_columns_are_those_of_the_prepared_articles(tmp_path: Path) -> None:
    raw_isot(tmp_path)
    corpus = StudyCorpus("isot", tmp_path)
    prepared, columns = corpus.read(), corpus.columns()
    assert [*columns] == ["text", "subject", "date"]
    for split, (texts, labels) in enumerate((prepared.train, prepared.test)):
        for prepared_text, raw in zip(texts, columns["text"][split], strict=True):
            assert raw.removeprefix("ROME (Reuters) - ") in prepared_text
        subjects = columns["subject"][split]
        assert subjects == ["worldnews" if label else "left-news" for label in labels]


def test_with_preprocessed_files_alone_the_probes_say_what_they_need(tmp_path: Path) -> None:
    raw_isot(tmp_path)
    write_preprocessed("isot", tmp_path)
    with_raw = audit(StudyCorpus("isot", tmp_path), "isot")
    assert probe(with_raw, "subject alone")["accuracy"] == 1
    (tmp_path / "isot" / "raw" / "Fake.csv").unlink()
    without = audit(StudyCorpus("isot", tmp_path), "isot")
    for name in ("dateline alone", "subject alone", "date alone"):
        assert probe(without, name)["missing"] == "the raw file Fake.csv is not there"
    assert probe(without, "length alone") == probe(with_raw, "length alone")


def test_raw_columns_are_not_given_to_other_articles(tmp_path: Path) -> None:
    raw_isot(tmp_path)
    write_preprocessed("isot", tmp_path)
    file = tmp_path / "isot" / "preprocessed" / "train.csv"
    write(file, [("another", "0"), ("article", "1")])
    with pytest.raises(DataError, match="other articles than the preprocessed"):
        StudyCorpus("isot", tmp_path).columns()


# Every pair of articles compared, with a sparse matrix of shingles, gives the same pairs.
def test_the_real_sample(articles: Path) -> None:
    found = audit(StudyCorpus("isot", articles), "isot")
    files = [articles / "isot" / "raw" / name for name in ("True.csv", "Fake.csv")]
    train, test = (pd.DataFrame(split) for split in prepare("isot", files))
    assert found["duplicates"] == {
        "within_train": train["text"].duplicated().sum(),
        "within_test": test["text"].duplicated().sum(),
        "test_in_train": test["text"].isin(train["text"]).sum(),
        "contradicting": 0,
    }
    near = found["near_duplicates"]
    counts = [near[kind] for kind in ("within_train", "within_test", "test_in_train")]
    assert counts == [9, 0, 4]
    assert found["splits"]["test"]["classes"] == {"fake": 656, "real": 695}
    assert probe(found, "dateline alone")["accuracy"] > 0.99
    assert probe(found, "subject alone")["accuracy"] == 1
    assert 0.58 < probe(found, "length alone")["accuracy"] < 0.65


# --- the command -----------------------------------------------------------------------------


@pytest.fixture
def reviews(workplace: Path) -> tuple[str, ...]:
    """A CSV corpus's settings on the command line; one of its test articles is in training."""
    train = articles(60, 0)
    write(workplace / "reviews.csv", train)
    write(workplace / "held_out.csv", [*articles(20, 1), train[0]])
    return ("dataset.train=reviews.csv", "dataset.test=held_out.csv")


def test_the_command_prints_what_the_audit_found(
    reviews: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", "csv", *reviews]) == 0
    out = capsys.readouterr().out
    assert out.startswith("reviews (other, ")
    (line,) = (line for line in out.splitlines() if line.startswith("test articles that train"))
    assert line.split()[-2:] == ["1", "0"]
    assert "length alone" in out


def test_the_command_prints_json(
    reviews: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", "csv", "--json", *reviews]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["corpus"], found["test_articles_in_train"]) == ("reviews", [20])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("isto",), "isto"),
        (("isot",), "There are no articles of isot"),
        (("csv", "dataset.train=nowhere.csv"), "nowhere.csv does not exist"),
        (("kaggle", "dataset.dateline=removed"), "not possible with kaggle"),
        (("isot", "dataset.dateline=hidden"), "one of removed, kept"),
    ],
)
def test_what_cannot_be_audited_is_refused(
    workplace: Path, capsys: pytest.CaptureFixture[str], arguments: Sequence[str], words: str
) -> None:
    assert main(["audit", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    assert len(err.splitlines()) <= 6


# --- the cache -------------------------------------------------------------------------------


@pytest.fixture
def config(reviews: tuple[str, ...], configured: Callable[..., Config]) -> Config:
    return configured("dataset=csv", *reviews)


def kept(config: Config) -> list[Path]:
    return sorted((Path(config.cache_dir) / "audits").iterdir())


def test_an_audit_is_made_once(config: Config) -> None:
    first = audited(config)
    (file,) = kept(config)
    assert json.loads(file.read_text()) == first
    file.write_text('{"corpus": "from the cache"}')
    assert audited(config) == {"corpus": "from the cache"}


def test_a_changed_file_is_audited_anew(config: Config, workplace: Path) -> None:
    audited(config)
    write(workplace / "held_out.csv", articles(20, 1))
    assert audited(config)["test_articles_in_train"] == []
    assert len(kept(config)) == 2


def test_a_damaged_audit_is_made_again(config: Config) -> None:
    first = audited(config)
    (file,) = kept(config)
    file.write_text("{")
    assert audited(config) == first
    assert json.loads(file.read_text()) == first


def test_a_cache_that_cannot_be_written_is_named(config: Config) -> None:
    Path(config.cache_dir).mkdir(parents=True)
    (Path(config.cache_dir) / "audits").write_text("a file")
    with pytest.raises(UsageError, match=r"cache_dir=.* cannot be used"):
        audited(config)

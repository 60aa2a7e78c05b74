"""Columns and labels as people have them in their files."""

import logging
import random
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from rnn_bench.config.schema import Config
from rnn_bench.data.corpora.table import TableCorpus
from rnn_bench.data.corpus import DataError
from rnn_bench.data.encoding import encoded_corpus

BLANKS = ("", " ", "\t", "  \t ", "\u00a0", "\u3000")


@pytest.fixture
def corpus(tmp_path: Path) -> TableCorpus:
    file = str(tmp_path / "train.csv")
    return TableCorpus(file, None, 0.25, "text", "label", "lower", False, tmp_path)


def write(path: str | None, rows: list[str], header: str = "text,label") -> None:
    Path(str(path)).write_text("\n".join([header, *rows, ""]), encoding="utf-8")


def refusal(corpus: TableCorpus) -> str:
    with pytest.raises(DataError) as error:
        corpus.read()
    assert len(str(error.value).splitlines()) <= 6
    return str(error.value)


# --- blanks ----------------------------------------------------------------------------------


@pytest.mark.parametrize("blank", BLANKS)
@pytest.mark.parametrize("row", ["{},yes", "text,{}"])
def test_white_space_alone_is_a_bad_row(row: str, blank: str, corpus: TableCorpus) -> None:
    write(corpus.train, ["a,yes", "b,no"] * 8 + [row.format(blank)])
    assert "1 bad rows of 17; the first is row 17" in refusal(corpus)
    left = replace(corpus, drop_bad_rows=True).read()
    assert left.left_out == "1 of 17 rows of train.csv"
    assert left.classes == ("no", "yes")


def test_blanks_around_a_label_are_no_part_of_it(corpus: TableCorpus) -> None:
    write(corpus.train, ["a,yes", "b, no", "c,yes ", "d,no\u00a0"] * 8)
    articles = corpus.read()
    assert articles.classes == ("no", "yes")
    columns = articles.columns()["text"]
    assert {*columns[0], *columns[1]} == {*"abcd"}


# --- spellings -------------------------------------------------------------------------------


def test_labels_that_differ_in_case_or_blanks_are_warned_of(
    corpus: TableCorpus, caplog: pytest.LogCaptureFixture
) -> None:
    write(corpus.train, ["a,fake", "b,Fake", "c,not  sure", "d,not sure", "e,real"] * 4)
    with caplog.at_level(logging.WARNING):
        assert len(corpus.read().classes) == 5
    assert "'Fake' and 'fake' differ in case or blanks" in caplog.text
    assert "'not  sure' and 'not sure' differ" in caplog.text
    assert "real" not in caplog.text


def test_different_labels_are_not_warned_of(
    corpus: TableCorpus, caplog: pytest.LogCaptureFixture
) -> None:
    write(corpus.train, ["a,fake", "b,real"] * 4)
    with caplog.at_level(logging.WARNING):
        corpus.read()
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (("1", "1.0", "0", "0.0"), ("0", "1")),
        (("1.0", "0.0"), ("0.0", "1.0")),
        (("1", "0", "1.50", "1.5"), ("0", "1", "1.5")),
        (("-1", "-1.0", "+1", "1"), ("-1", "1")),
        (("9007199254740993", "9007199254740992"), ("9007199254740992", "9007199254740993")),
        (("1", "1.0", "one"), ("1", "1.0", "one")),
    ],
)
def test_a_number_is_one_class_however_it_is_written(
    labels: tuple[str, ...], classes: tuple[str, ...], corpus: TableCorpus
) -> None:
    write(corpus.train, [f"word{label},{label}" for label in labels] * 4)
    articles = corpus.read()
    assert articles.classes == classes
    for texts, positions in (articles.train, articles.test):
        for text, position in zip(texts, positions, strict=True):
            if "one" not in labels:
                assert Decimal(text.removeprefix("word")) == Decimal(classes[position])


def test_a_number_of_the_test_file_is_the_class_of_training(corpus: TableCorpus) -> None:
    corpus = replace(corpus, test=f"{corpus.train}-test")
    write(corpus.train, ["a,1", "b,0"] * 4)
    write(corpus.test, ["a,1.0", "b, 0", "c,0.00"])
    assert corpus.read().test[1] == [1, 0, 0]
    write(corpus.test, ["a,2.0"])
    assert "has the label '2.0', which" in refusal(corpus)


# --- columns ---------------------------------------------------------------------------------


@pytest.mark.parametrize("header", ["text,label,text", "label,text,label", "text,label, text,text"])
def test_two_columns_of_the_same_name_are_refused(header: str, corpus: TableCorpus) -> None:
    names = header.split(",")
    write(corpus.train, [",".join("a" if "text" in name else "1" for name in names)] * 9, header)
    message = refusal(corpus)
    assert "has 2 columns '" in message
    assert "Give all but one another name" in message


def test_other_columns_may_have_one_name(corpus: TableCorpus) -> None:
    write(corpus.train, ["a,1,,", "b,0,,"] * 8, "text,label,,")
    assert corpus.read().classes == ("0", "1")


def test_blanks_around_a_column_s_name_are_shown_and_not_needed(corpus: TableCorpus) -> None:
    write(corpus.train, ["a,1,x", "b,0,x"] * 8, " text,label ,other")
    assert corpus.read().classes == ("0", "1")
    assert replace(corpus, text_column=" text").read().classes == ("0", "1")
    assert "Its columns: ' text', 'label ', 'other'." in refusal(
        replace(corpus, text_column="body")
    )
    write(corpus.train, ["a,1,x", "b,0,x"] * 8, " text,label,text ")
    assert "has 2 columns 'text': number 1 and 3" in refusal(corpus)
    assert replace(corpus, text_column="text ").read().classes == ("0", "1")


# --- what is no label ------------------------------------------------------------------------


def test_fifty_thousand_labels_are_no_labels(corpus: TableCorpus) -> None:
    write(corpus.train, [f"a text,{i}" for i in range(50_000)], "text,id")
    message = refusal(replace(corpus, label_column="id"))
    assert "column 'id' has 50,000 different values in 50,000 rows: is it the label?" in message
    assert "dataset.label_column=" in message


@pytest.mark.parametrize("times", [1, 10])
def test_many_decimal_numbers_are_no_labels(times: int, corpus: TableCorpus) -> None:
    chance = random.Random(0)
    write(corpus.train, [f"a,{chance.uniform(0, 5):.6f}" for _ in range(200)] * times)
    assert "column 'label' has 200 different values" in refusal(corpus)


def test_many_classes_of_several_articles_are_labels(corpus: TableCorpus) -> None:
    write(corpus.train, [f"a,intent {i}" for i in range(300)] * 8)
    assert len(corpus.read().classes) == 300


def test_few_rows_are_too_few_whatever_the_column(corpus: TableCorpus) -> None:
    write(corpus.train, ["a,1", "b,2", "c,3"])
    assert "too small to split" in refusal(corpus)


@pytest.mark.parametrize("with_test", [True, False])
def test_a_class_of_one_article_is_named(
    with_test: bool, configured: Callable[..., Config], tmp_path: Path
) -> None:
    rows = ["a,yes", "b,no"] * 100 + ["c,maybe"]
    write(str(tmp_path / "train.csv"), rows)
    files = [f"dataset.train={tmp_path / 'train.csv'}"]
    files += [f"dataset.test={tmp_path / 'train.csv'}"] * with_test
    with pytest.raises(DataError, match="'maybe'"):
        encoded_corpus(configured("dataset=table", *files))

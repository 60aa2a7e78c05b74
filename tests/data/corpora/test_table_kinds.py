"""The kinds of file that people have: each is read as it is."""

import bz2
import gzip
import logging
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rnn_bench.data.corpora.table import TableCorpus
from tests.data.tables import (
    BARE,
    JSON_LINES,
    ROWS,
    TABLE,
    class_folders,
    excel,
    lines,
    parquet,
    read,
    refusal,
    separated,
    texts_and_classes,
    zipped,
)

LATIN = {"encoding": "windows-1252"}
# The file's name, its content, what has to be set, and how the line on what was found begins.
Kind = tuple[str, Callable[[Path], bytes], dict[str, Any], str]
KINDS: dict[str, Kind] = {
    "commas": ("a.csv", lambda _: separated(","), {}, "comma-separated, UTF-8"),
    "a mark before UTF-8": ("a.csv", lambda _: separated(",", "utf-8-sig"), {}, "comma-separated"),
    "tabs": ("a.tsv", lambda _: separated("\t"), {}, "tab-separated, UTF-8"),
    "tabs in .csv": ("a.csv", lambda _: separated("\t"), {}, "tab-separated, UTF-8"),
    "tabs in .txt": ("a.txt", lambda _: separated("\t"), {}, "tab-separated, UTF-8"),
    "semicolons": ("a.csv", lambda _: separated(";"), {}, "semicolon-separated, UTF-8"),
    "pipes": ("a.csv", lambda _: separated("|"), {}, "pipe-separated, UTF-8"),
    "another separator": (
        "a.csv",
        lambda _: separated("~"),
        {"separator": "~"},
        "separated by '~'",
    ),
    "UTF-16": ("a.txt", lambda _: separated("\t", "utf-16"), {}, "tab-separated, UTF-16"),
    "Windows": ("a.csv", lambda _: separated(";", "cp1252"), LATIN, "semicolon-separated, windows"),
    "quotes everywhere": (
        "a.tsv",
        lambda _: separated("\t", quoting=1),
        {},
        "tab-separated, UTF-8",
    ),
    "no header": ("a.txt", lambda _: lines(separator="\t"), BARE, "tab-separated, UTF-8"),
    "JSON Lines": ("a.jsonl", lambda _: JSON_LINES, {}, "JSON"),
    "JSON Lines in .txt": ("a.txt", lambda _: JSON_LINES, {}, "JSON"),
    "a JSON list": ("a.json", lambda _: TABLE.to_json(orient="records").encode(), {}, "JSON"),
    "Parquet": ("a.parquet", parquet, {}, "Parquet"),
    "Excel": ("a.xlsx", lambda at: excel(at, Data=TABLE), {}, "Excel, sheet 'Data'"),
    "a sheet of two": (
        *("a.xlsx", lambda at: excel(at, one=TABLE, two=TABLE.head(1))),
        *({"sheet": "one"}, "Excel, sheet 'one'"),
    ),
    "gzip": ("a.tsv.gz", lambda _: gzip.compress(separated("\t")), {}, "tab-separated, UTF-8"),
    "xz": ("a.jsonl.xz", lambda _: lzma.compress(JSON_LINES), {}, "JSON"),
    "bzip2": ("a.parquet.bz2", lambda at: bz2.compress(parquet(at)), {}, "Parquet"),
    "zip": ("a.zip", lambda at: zipped(separated("\t"), at), {}, "tab-separated, UTF-8"),
    "lines": ("a.all", lambda _: lines(), {"form": "lines"}, "lines 'label text', UTF-8"),
    "fastText": ("a.ft", lambda _: lines("__label__"), {"form": "lines"}, "lines 'label text'"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_of_file_gives_the_same_articles_as_any_other(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    name, made, keys, found = KINDS[kind]
    (tmp_path / name).write_bytes(made(tmp_path))
    with caplog.at_level(logging.INFO):
        assert texts_and_classes(read(tmp_path / name, **keys)) == sorted(ROWS)
    assert f"{name}: {found}" in caplog.text
    assert ", 24 " in caplog.text


def test_what_is_found_is_said_in_a_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = "".join(f"text {i}\t{i % 2}\n" for i in range(1200))
    (tmp_path / "reviews.tsv").write_text(f"text\tlabel\n{rows}")
    with caplog.at_level(logging.INFO):
        read(tmp_path / "reviews.tsv")
    line = "reviews.tsv: tab-separated, UTF-8, 1,200 rows, columns 'text', 'label'"
    assert caplog.messages == [line]


# --- texts in no table ------------------------------------------------------------------------


def test_a_folder_has_a_text_a_file_in_a_folder_a_class(tmp_path: Path) -> None:
    folder = class_folders(tmp_path / "train")
    assert texts_and_classes(read(folder)) == sorted(ROWS)
    before = TableCorpus(str(folder)).identity()
    (folder / "ham" / "new.txt").write_text("new")
    assert TableCorpus(str(folder)).identity() != before


def test_the_folders_that_are_classes_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    train, test = class_folders(tmp_path / "train"), class_folders(tmp_path / "test")
    (train / "unsup").mkdir()
    (train / "unsup" / "0_0.txt").write_text("nobody knows")
    assert read(train, test=str(test)).classes == ("ham", "spam", "unsup")
    assert "No test article has the label 'unsup'" in caplog.text
    assert "dataset.labels={FOLDER: CLASS, ...}" in caplog.text
    articles = read(train, test=str(test), labels={"spam": "junk", "ham": "mail"})
    assert articles.classes == ("junk", "mail")
    assert len(articles.train[0]) == len(articles.test[0]) == 24


def test_texts_may_stand_beside_their_labels(tmp_path: Path) -> None:
    texts, labels = tmp_path / "texts.txt", tmp_path / "labels.txt"
    texts.write_text("".join(f"{text}\r\n" for text, _ in ROWS), newline="")
    labels.write_text("".join(f"{label}\n" for _, label in ROWS))
    assert texts_and_classes(read(texts, train_labels=str(labels))) == sorted(ROWS)
    labels.write_text("ham\n")
    assert "has 24 lines and" in refusal(texts, train_labels=str(labels))


def test_texts_of_lines_end_at_line_feeds_alone(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"1 one\x85two\n\n0 zero\x1cthree\n" * 8)
    articles = read(tmp_path / "a.txt", form="lines", encoding="latin-1")
    assert {*articles.train[0]} == {"one\x85two", "zero\x1cthree"}


# --- quotation marks --------------------------------------------------------------------------


def test_quotation_marks_of_a_file_with_tabs_may_be_plain_characters(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    texts = [f'"Say {i}' if i in (4, 11) else f"Say {i}" for i in range(24)]
    rows = [f"{i % 2}\t{text}\n" for i, text in enumerate(texts)]
    (tmp_path / "a.tsv").write_text("".join(rows))
    with caplog.at_level(logging.INFO):
        articles = read(tmp_path / "a.tsv", **BARE)
    assert sorted(articles.train[0] + articles.test[0]) == sorted(texts)
    assert "tab-separated without quotes" in caplog.text


@pytest.mark.parametrize("separator", [";", "|", "\t"])
def test_rows_that_quotation_marks_hide_are_missed_with_any_separator(
    separator: str, tmp_path: Path
) -> None:
    rows = [f"text {i}{separator}{i % 2}" for i in range(40)]
    rows[7] = f'"{rows[7]}'
    rows[30] = rows[30].replace(separator, f'"{separator}')
    (tmp_path / "a.csv").write_text("\n".join([f"text{separator}label", *rows, ""]))
    message = refusal(tmp_path / "a.csv")
    assert "from about line 9 on" in message
    assert "dataset.quotes=false" in message
    articles = read(tmp_path / "a.csv", quotes=False)
    assert len(articles.train[0] + articles.test[0]) == 40

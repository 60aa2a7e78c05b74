"""The kinds of file that people have: each is read as it is, or the refusal says what to set."""

import bz2
import gzip
import json
import logging
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from rnn_bench.command_line import main
from rnn_bench.config.schema import Config
from rnn_bench.data.cache import configured_corpus
from rnn_bench.data.corpora.table import TableCorpus
from rnn_bench.data.corpus import Articles, DataError

TEXTS = [
    "Wie schön, finde ich; ja",
    "Nie wieder | never",
    "so-so: tout à fait",
    "the end, my friend",
]
ROWS = [(f"{TEXTS[i % 4]} {i}", ("ham", "spam")[i % 2]) for i in range(24)]
TABLE = pd.DataFrame(ROWS, columns=["text", "label"])
Made = tuple[str, dict[str, Any]]  # the file, and keys to set


def separated(separator: str, encoding: str = "utf-8", **more: Any) -> bytes:
    return TABLE.to_csv(sep=separator, index=False, **more).encode(encoding)


def excel(folder: Path, **sheets: pd.DataFrame) -> bytes:
    with pd.ExcelWriter(folder / "made.xlsx") as book:
        for name, table in sheets.items():
            table.to_excel(book, sheet_name=name, index=False)
    return (folder / "made.xlsx").read_bytes()


def parquet(folder: Path) -> bytes:
    categories = TABLE.astype({"label": "category"})
    categories.assign(words=[[1, 2]] * len(TABLE)).to_parquet(folder / "made.parquet")
    return (folder / "made.parquet").read_bytes()


def lines(start: str = "", separator: str = " ") -> bytes:
    return "".join(f"{start}{label}{separator}{text}\n" for text, label in ROWS).encode()


def zipped(content: bytes, folder: Path) -> bytes:
    with zipfile.ZipFile(folder / "made.zip", "w") as archive:
        archive.writestr("reviews.tsv", content)
    return (folder / "made.zip").read_bytes()


JSON_LINES = "".join(json.dumps({"text": t, "label": n, "id": 7}) + "\n" for t, n in ROWS).encode()
BARE = {"header": False, "text_column": "1", "label_column": "0"}
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


def texts_and_classes(articles: Articles) -> list[tuple[str, str]]:
    return sorted(
        (text, articles.classes[label])
        for texts, labels in (articles.train, articles.test)
        for text, label in zip(texts, labels, strict=True)
    )


def read(path: Path, **keys: Any) -> Articles:
    corpus = TableCorpus(train=str(path), **{"cleaning": "none", **keys})
    corpus.identity()
    return corpus.read()


def refusal(path: Path, **keys: Any) -> str:
    with pytest.raises(DataError) as error:
        read(path, **keys)
    assert len(str(error.value).splitlines()) <= 6
    return str(error.value)


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


def class_folders(folder: Path) -> Path:
    for number, (text, label) in enumerate(ROWS):
        (folder / label).mkdir(parents=True, exist_ok=True)
        (folder / label / f"{number}_7.txt").write_text(text)
    (folder / "urls_pos.txt").write_text("http://example.org\n")
    return folder


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


# --- refusals say what to set -----------------------------------------------------------------

WRONG: dict[str, tuple[str, bytes, dict[str, Any], str]] = {
    "no header, tabs": (
        *("a.tsv", lines(separator="\t"), {}),
        "dataset.header=false dataset.text_column=1 dataset.label_column=0 (columns are counted",
    ),
    "no header, commas": (
        *("a.csv", b'"3","Wall St.","Shares fell again"\n"4","Tech","A new phone"\n' * 9, {}),
        "dataset.header=false dataset.text_column=2 dataset.label_column=0",
    ),
    "lines": ("a.txt", lines(), {}, "set dataset.form=lines"),
    "fastText": ("a.txt", lines("__label__"), {}, "set dataset.form=lines"),
    "another encoding": ("a.csv", separated(";", "cp1252"), {}, "dataset.encoding=windows-1252"),
    "a wrong encoding": ("a.csv", separated(","), {"encoding": "utf-nine"}, "is not an encoding"),
    "UTF-16 that is cut": ("a.csv", separated(",", "utf-16")[:-1], {}, "is not UTF-16"),
    "UTF-16 without a mark": (
        "a.csv",
        separated(",", "utf-16-le"),
        {},
        "dataset.encoding=utf-16-le",
    ),
    "a column that is not there": (
        *("a.csv", lines(separator="\t"), BARE | {"text_column": "2"}),
        "has no column '2'. Its columns: '0', '1'.",
    ),
    "old Excel": ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", {}, "Save it as .xlsx"),
    "broken Excel": ("a.xlsx", b"PK\x03\x04nothing", {}, "is no Excel file"),
    "Excel by name": ("a.xlsx", separated(","), {}, "is no Excel file, whatever its name says"),
    "broken Parquet": ("a.parquet", b"PAR1nothing", {}, "is damaged, or no Parquet file"),
    "broken JSON": ("a.jsonl", JSON_LINES + b"{\n", {}, "a.jsonl, line 25 is not JSON"),
    "JSON of one object": ("a.json", b'{"data": [1]}', {}, "has no column 'text'"),
    "JSON of numbers": ("a.json", b"[1, 2]", {}, "row 1 is no JSON object: 1"),
    "JSON of lists": ("a.jsonl", b'{"text": ["a"], "label": 1}\n', {}, "'text' of row 1 is a list"),
    "JSON without a header": ("a.jsonl", JSON_LINES, BARE, "Leave out dataset.header=false"),
    "several labels": (
        "a.ft",
        b"__label__a __label__b c\n" * 9,
        {"form": "lines"},
        "several labels",
    ),
    "packed by another name": ("a.csv", gzip.compress(separated(","), mtime=0), {}, "is no text"),
    "only empty lines": ("a.txt", b"\n\n", {"form": "lines"}, "is empty"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_refusal_names_the_file_and_says_what_to_set(kind: str, tmp_path: Path) -> None:
    name, content, keys, says = WRONG[kind]
    (tmp_path / name).write_bytes(content)
    message = refusal(tmp_path / name, **keys)
    assert says in message
    assert str(tmp_path / name) in message or "dataset.encoding=utf-nine" in message


def test_a_sheet_is_chosen_among_several(tmp_path: Path) -> None:
    excel(tmp_path, one=TABLE, two=TABLE, empty=pd.DataFrame())
    file = tmp_path / "made.xlsx"
    assert "2 sheets with rows: 'one', 'two', 'empty'. Choose one with dataset.sheet=" in refusal(
        file
    )
    assert "has no sheet 'three'. Its sheets: 'one', 'two', 'empty'" in refusal(file, sheet="three")


def test_a_parquet_column_without_texts_is_refused(tmp_path: Path) -> None:
    parquet(tmp_path)
    assert "column 'words' holds list" in refusal(tmp_path / "made.parquet", text_column="words")


def test_cells_of_typed_tables_are_written_as_people_write_them(tmp_path: Path) -> None:
    rows = [{"text": f"row {i}", "label": float(i % 2), "title": None} for i in range(8)]
    for name in ("a.jsonl", "a.xlsx"):
        table = pd.DataFrame(rows)
        if name == "a.jsonl":
            table.to_json(tmp_path / name, orient="records", lines=True)
        else:
            table.to_excel(tmp_path / name, index=False)
        assert read(tmp_path / name).classes == ("0", "1")


# --- the keys ---------------------------------------------------------------------------------


def test_several_columns_are_one_text(tmp_path: Path) -> None:
    rows = "".join(f"Title {i},,Text {i},{i % 2}\n" for i in range(8))
    (tmp_path / "a.csv").write_text(f"title,empty,text,label\n{rows}")
    articles = read(tmp_path / "a.csv", text_columns=["title", "empty", "text"])
    assert "Title 3  Text 3" in articles.train[0] + articles.test[0]
    message = refusal(tmp_path / "a.csv", text_columns=["title", "body"])
    assert "Name another with dataset.text_columns=..." in message


def test_a_validation_file_is_the_validation_split(tmp_path: Path) -> None:
    for name in ("train.csv", "validation.tsv", "test.jsonl"):
        rows = pd.DataFrame([(f"{name} {i}", i % 2, f"day {i}") for i in range(6)])
        rows.columns = ["text", "label", "date"]
        if name == "test.jsonl":
            rows.to_json(tmp_path / name, orient="records", lines=True)
        else:
            rows.to_csv(tmp_path / name, index=False, sep="\t" if "tsv" in name else ",")
    others = {name.split(".")[0]: str(tmp_path / name) for name in ("validation.tsv", "test.jsonl")}
    articles = read(tmp_path / "train.csv", **others)
    assert articles.validation is not None
    splits = (articles.train, articles.validation, articles.test)
    assert [texts[0].split(".")[0] for texts, _ in splits] == ["train", "validation", "test"]
    dates = articles.columns()["date"]
    assert [len(values) for values in dates] == [12, 6]


def test_classes_are_named_in_the_order_that_is_given(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\n" + "a,1\nb,0.0\n" * 8)
    articles = read(tmp_path / "a.csv", labels={1: "real", 0: "fake"})
    assert articles.classes == ("real", "fake")
    assert {*texts_and_classes(articles)} == {("a", "real"), ("b", "fake")}
    message = refusal(tmp_path / "a.csv", labels={1: "real"})
    assert "has the label '0.0', which dataset.labels lacks" in message


# --- duplicates -------------------------------------------------------------------------------


def test_duplicates_are_dropped_so_that_no_test_text_is_trained_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = {
        "train": ["a,1", "A,0", "b,0", "v,1", "t,0", "c,1"],
        "validation": ["v,1", "v,1", "t,1", "w,0"],
        "test": ["t,1", "t,0", "u,0"],
    }
    for split, rows in files.items():
        (tmp_path / f"{split}.csv").write_text("\n".join(["text,label", *rows]))
    others = {split: str(tmp_path / f"{split}.csv") for split in ("validation", "test")}
    keys = {"cleaning": "lower", **others}
    assert read(tmp_path / "train.csv", **keys).left_out == ""
    articles = read(tmp_path / "train.csv", drop_duplicates=True, **keys)
    assert articles.train == (["a", "b", "c"], [1, 0, 1])
    assert articles.validation == (["v", "w"], [1, 0])
    assert articles.test == (["t", "u"], [1, 0])
    assert articles.left_out == (
        "3 duplicates among 6 texts of train.csv and 2 duplicates among 4 texts of validation.csv "
        "and 1 duplicates among 3 texts of test.csv"
    )
    assert "2 of the texts that are there twice have different labels" in caplog.text


def test_one_file_loses_its_duplicates_before_it_is_split(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "text,label\n" + "".join(f"t{i % 20},{i % 2}\n" for i in range(60))
    )
    articles = read(tmp_path / "a.csv", drop_duplicates=True)
    assert sorted(articles.train[0] + articles.test[0]) == sorted(f"t{i}" for i in range(20))
    assert articles.left_out == "40 duplicates among 60 texts of a.csv"


# --- the command line -------------------------------------------------------------------------


def test_keys_of_a_table_are_read_from_the_command_line(
    tmp_path: Path, configured: Callable[..., Config]
) -> None:
    (tmp_path / "a.txt").write_text("".join(f"{i % 2};T{i};text {i}\n" for i in range(24)))
    config = configured(
        *("dataset=table", f"dataset.train={tmp_path / 'a.txt'}", "dataset.separator=semicolon"),
        *("dataset.header=false", "dataset.text_columns=[1,2]", "dataset.label_column=0"),
        "++dataset.labels={0: real, 1: fake}",
    )
    articles = configured_corpus(config).articles
    assert articles.classes == ("real", "fake")
    assert "t3 text 3" in articles.train[0] + articles.test[0]


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        (["dataset=csv", "dataset.train=a.csv"], "it is called dataset=table"),
        (["dataset=table", "dataset.train=a.tsv"], "dataset.header=false dataset.text_column=1"),
        (["dataset=table", "dataset.train=a.tsv", "dataset.header=false"], "columns by name"),
        (["dataset=table", "dataset.train=a.tsv", "dataset.separator=ab"], "or one character"),
        (["dataset=table", "dataset.train=a", "dataset.test_labels=b"], "dataset.test=FILE"),
        (["dataset=table", "dataset.train=a", "dataset.text_column=label"], "the text is there"),
    ],
)
def test_a_sweep_on_what_cannot_be_read_says_what_to_set(
    keys: list[str], says: str, workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workplace / "a.tsv").write_bytes(lines(separator="\t"))
    assert main(["sweep", "-m", "model=majority", *keys]) == 2
    said = capsys.readouterr()
    assert says in said.err + said.out
    assert len(said.err.splitlines()) <= 6


def test_a_folder_and_a_table_are_audited_by_their_names(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class_folders(workplace / "reviews")
    (workplace / "reviews.tsv").write_bytes(separated("\t"))
    for name in ("reviews", "reviews.tsv"):
        assert main(["audit", name, "--json"]) == 0
        said = capsys.readouterr()
        assert (
            sum(json.loads(said.out)["splits"][split]["articles"] for split in ("train", "test"))
            == 24
        )
        assert said.err.startswith(f"{name}: ")

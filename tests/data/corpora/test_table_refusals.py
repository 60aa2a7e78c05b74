"""What cannot be read as it is: the refusal names the file and says what to set."""

import bz2
import gzip
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

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
)

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
    "texts without labels": (
        *(
            "a.txt",
            "".join(f"{text}, {text}\n" * (i % 3) for i, (text, _) in enumerate(ROWS)).encode(),
        ),
        *({}, "dataset.train_labels=FILE"),
    ),
    "texts of one cell without labels": (
        *("a.txt", b"the end\nso long\n" * 4, {}, "dataset.train_labels=FILE"),
    ),
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
    "an encoding of names": ("a.csv", separated(","), {"encoding": "idna"}, "is not an encoding"),
    "no encoding": ("a.csv", separated(","), {"encoding": "undefined"}, "is not an encoding"),
    "broken Excel": ("a.xlsx", b"PK\x03\x04nothing", {}, "is no sound Excel file"),
    "Excel by name": ("a.xlsx", separated(","), {}, "is no Excel file, whatever its name says"),
    "broken Parquet": ("a.parquet", b"PAR1nothing", {}, "is damaged, or no Parquet file"),
    "broken JSON": ("a.jsonl", JSON_LINES + b"{\n", {}, "a.jsonl, line 25 is not JSON"),
    "JSON of one object": ("a.json", b'{"data": [1]}', {}, "has no column 'text'"),
    "JSON of numbers": ("a.json", b"[1, 2]", {}, "row 1 is no JSON object: 1"),
    "JSON of lists": ("a.jsonl", b'{"text": ["a"], "label": 1}\n', {}, "'text' of row 1 is a list"),
    "JSON without a header": ("a.jsonl", JSON_LINES, BARE, "Leave out dataset.header=false"),
    "a sheet of no Excel file": (
        "a.csv",
        separated(","),
        {"sheet": "one"},
        "sheet is for files of",
    ),
    "a separator of JSON": (
        "a.jsonl",
        JSON_LINES,
        {"separator": "comma"},
        "separator is for files",
    ),
    "an encoding of Parquet": (
        "a.parquet",
        b"PAR1",
        {"encoding": "latin-1"},
        "encoding is for files",
    ),
    "quotes of lines": ("a", lines(), {"form": "lines", "quotes": True}, "quotes is for files"),
    "several labels": (
        "a.ft",
        b"__label__a __label__b c\n" * 9,
        {"form": "lines"},
        "several labels",
    ),
    "packed by another name": (
        "a.csv",
        gzip.compress(separated(","), mtime=0),
        {},
        "is packed, and its name",
    ),
    "packed as bzip2": ("a.csv", bz2.compress(separated(",")), {}, "else unpack it yourself"),
    "of a kind that is not read": ("a.7z", b"7z\xbc\xaf\x27\x1c", {}, "else unpack it yourself"),
    "only empty lines": ("a.txt", b"\n\n", {"form": "lines"}, "is empty"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_refusal_names_the_file_and_says_what_to_set(kind: str, tmp_path: Path) -> None:
    name, content, keys, says = WRONG[kind]
    (tmp_path / name).write_bytes(content)
    message = refusal(tmp_path / name, **keys)
    assert says in message
    assert str(tmp_path / name) in message or message.startswith("dataset.encoding=")


def test_the_cure_for_a_file_without_a_header_reads_it_with_several_text_columns_too(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("".join(f"T{i},a longer text {i},{i % 2}\n" for i in range(24)))
    says = refusal(path, text_columns=["title", "text"])
    assert "dataset.header=false dataset.text_columns=[1] dataset.label_column=2" in says
    found = read(path, header=False, text_columns=["1"], label_column="2")
    assert "a longer text 3" in found.train[0] + found.test[0]


def test_a_class_without_a_folder_is_named(tmp_path: Path) -> None:
    says = refusal(class_folders(tmp_path / "reviews"), labels={"ham": "good", "spma": "bad"})
    assert "has no folder 'spma' with texts, which dataset.labels names" in says
    assert "Its folders: 'ham', 'spam'" in says


def test_dropping_duplicates_must_leave_articles(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_bytes(separated(","))
    says = refusal(tmp_path / "a.csv", test=str(tmp_path / "b.csv"), drop_duplicates=True)
    assert f"drop_duplicates=true leaves nothing of {tmp_path / 'a.csv'}: " in says
    assert f"{tmp_path / 'b.csv'} has all of its texts" in says


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

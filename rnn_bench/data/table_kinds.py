"""Tell by a look at a file what kind of table it is, and what to set where it cannot be read."""

import csv
import json
from collections import Counter
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

import pandas as pd

from rnn_bench.data.corpus import DataError
from rnn_bench.data.csv_files import SEPARATORS
from rnn_bench.data.text_encoding import UNMARKED

MAGIC = {b"PAR1": "Parquet", b"PK\x03\x04": "Excel"}
OLD_EXCEL = b"\xd0\xcf\x11\xe0"
# Keys of `dataset`, and the kinds of files whose reading they change.
USED_IN = {
    "separator": ("separated",),
    "quotes": ("separated",),
    "encoding": ("separated", "JSON", "text"),
    "sheet": ("Excel",),
}
SUFFIXES = {".parquet": "Parquet", ".xlsx": "Excel"}
USUAL_SEPARATORS = {".tsv": "\t", ".tab": "\t"}
MOST_ROWS = 1000  # that are looked at
REGULAR = 0.9  # share of the rows that must have as many cells as the first


def kind_of(path: Path, head: bytes) -> str:
    """Return the kind of table that a file with these first bytes is: Parquet, Excel, JSON or
    separated.

    Raises:
        DataError: the file is empty, or of a kind that is not read.
    """
    if not head:
        raise DataError(f"{path} is empty.")
    if head.startswith(OLD_EXCEL):
        raise DataError(f"{path} is an Excel file of the old kind. Save it as .xlsx or CSV.")
    for magic, kind in MAGIC.items():
        if head.startswith(magic):
            return kind
    for suffix, kind in SUFFIXES.items():
        if suffix in path.suffixes:
            raise DataError(
                f"{path} is no {kind} file, whatever its name says. Give it the ending of what it "
                "is."
            )
    start = head.decode(UNMARKED, "ignore").lstrip()
    if {".json", ".jsonl", ".ndjson"} & {*path.suffixes} or _is_json(start):
        return "JSON"
    return "separated"


def _is_json(start: str) -> bool:
    if start.startswith("["):
        return start[1:].lstrip().startswith("{")
    try:
        return isinstance(json.loads(start.partition("\n")[0]), dict)
    except ValueError:
        return False


def find_separator(text: str, path: Path, columns: Sequence[str]) -> str:
    """Return the separator of a file that begins with this text: the one that gives it a header
    with these columns; or else that cuts nearly all rows into as many cells as the first, two or
    more; or else the usual one of its suffix.

    Args:
        columns: none if there is no header.
    """
    usual = next((USUAL_SEPARATORS[end] for end in path.suffixes if end in USUAL_SEPARATORS), ",")
    regular = {}
    for separator in dict.fromkeys([usual, *SEPARATORS]):
        rows = _rows(text, separator, csv.QUOTE_MINIMAL)
        if columns and {name.strip() for name in columns} <= {cell.strip() for cell in rows[0]}:
            return separator
        plain = _rows(text, separator, csv.QUOTE_NONE)
        regular[separator] = max(map(_regularity, (rows, plain)))
    best = max(regular, key=lambda separator: regular[separator])
    return best if regular[best] >= REGULAR else usual


def _rows(text: str, separator: str, quoting: int) -> list[list[str]]:
    """Return the rows that a text begins with, without the last one, which may be cut off."""
    try:
        rows = [*csv.reader(StringIO(text, newline=""), delimiter=separator, quoting=quoting)]  # type: ignore[arg-type]
    except csv.Error:
        return [[]]
    rows = [row for row in rows[:MOST_ROWS] if row]
    return (rows[:-1] if len(rows) > 2 else rows) or [[]]


def _regularity(rows: list[list[str]]) -> float:
    """Return the share of rows with as many cells as the first; 0 if that is one."""
    return sum(len(row) == len(rows[0]) > 1 for row in rows) / len(rows)


def how_to_read(
    found: pd.DataFrame | str, columns: Sequence[str] = (), key: str = "dataset.text_column"
) -> str:
    """Return what to set for a table that lacks the columns that are asked for, because its first
    row is an article, or for a text whose lines are no rows; "" if it is neither. `key` is what the
    user names the columns of the text with; without `columns`, the text is known to have cells."""
    if isinstance(found, str):
        return _of_lines(found, columns)
    if found.shape[1] < 2:
        return ""
    rows = found.iloc[:: max(1, len(found) // MOST_ROWS)]
    cells = [rows.iloc[:, place] for place in range(rows.shape[1])]
    text = max(range(len(cells)), key=lambda place: float(cells[place].str.len().mean()))
    others = [place for place in range(len(cells)) if place != text and cells[place].nunique() > 1]
    label = min(others, key=lambda place: cells[place].nunique(), default=None)
    if label is None or 2 * cells[label].nunique() > len(rows) or found.columns.has_duplicates:
        return ""
    if {found.columns[label], found.columns[label].strip()} & {*cells[label]}:
        return (
            f"\nIts first row is no header, it seems. Set dataset.header=false {key}="
            f"{f'[{text}]' if key.endswith('s') else text} dataset.label_column={label} (columns "
            "are counted from 0), or the columns that are meant."
        )
    return ""


def _of_lines(text: str, columns: Sequence[str]) -> str:
    lines = [line.split(maxsplit=1) for line in text.split("\n")[:MOST_ROWS] if line.strip()]
    labels = Counter(line[0] for line in lines)
    few = len(lines) >= 10 and 2 <= len(labels) <= max(2, len(lines) // 10)
    if lines and (few or all(line[0].startswith("__label__") for line in lines[:-1] or lines)):
        return "\nIf each line is a label, a blank and a text, set dataset.form=lines."
    if columns and not any(name in text.partition("\n")[0] for name in columns):
        return "\nIf each line is a text alone, name the file of labels: dataset.train_labels=FILE"
    return ""

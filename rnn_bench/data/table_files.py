"""Read a table of any usual kind: separated cells, JSON, Parquet or Excel. Every cell is text."""

import io
import json
import warnings
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from rnn_bench.config.errors import listed
from rnn_bench.data.corpus import DataError
from rnn_bench.data.csv_files import (
    SEPARATORS,
    read_separated,
    require_columns,
    with_names,
)
from rnn_bench.data.packed_files import unpacked
from rnn_bench.data.quotes import is_well_quoted, refuse_swallowed_rows
from rnn_bench.data.table_kinds import find_separator, how_to_read, kind_of
from rnn_bench.data.text_encoding import decoding, find_encoding, read_head, read_lines, shown


@dataclass(frozen=True)
class Reading:
    """How the user says that a table is to be read: keys of `dataset`. What is None is found."""

    separator: str | None = None
    encoding: str | None = None
    header: bool = True
    quotes: bool | None = None
    sheet: str | None = None


def read_table(
    path: Path,
    columns: Sequence[str],
    keys: Sequence[str],
    reading: Reading,
    labelled: bool = True,
) -> tuple[pd.DataFrame, str]:
    """Return the table in a file, with these columns, and what was found in words. The last column
    is the label if it is `labelled`; `keys` are what the user names each of them with.

    Raises:
        DataError: the file cannot be read, or lacks a column. The message says what to set.
    """
    head = read_head(path)
    kind = kind_of(path, head)
    if kind == "separated":
        return _separated(path, head, columns, keys, reading, labelled)
    if not reading.header and kind != "Excel":
        raise DataError(
            f"{path} is {kind}, whose columns have names. Leave out dataset.header=false, and name "
            "the columns."
        )
    if kind == "Excel":
        table, kind = _excel(path, reading)
    else:
        table = _json(path, columns, reading) if kind == "JSON" else _parquet(path, columns)
    if table.empty:
        raise DataError(f"{path} has no rows.")
    return _require(table, path, columns, keys), kind


def _require(
    table: pd.DataFrame, path: Path, columns: Sequence[str], keys: Sequence[str], text: str = ""
) -> pd.DataFrame:
    try:
        return require_columns(table, path, columns, keys)
    except DataError as error:
        cure = how_to_read(table, key=keys[0]) or how_to_read(text)
        raise DataError(f"{error}{cure}") from None


def _separated(
    path: Path,
    head: bytes,
    columns: Sequence[str],
    keys: Sequence[str],
    reading: Reading,
    labelled: bool,
) -> tuple[pd.DataFrame, str]:
    encoding = find_encoding(path, head, reading.encoding)
    text = head.decode(encoding, "ignore")
    if reading.separator is None:
        separator = find_separator(text, path, columns if reading.header else ())
    else:
        separator = reading.separator
    with decoding(path, encoding):
        quotes = reading.quotes
        if quotes is None:  # files with tabs often have none, and quotation marks in texts
            quotes = separator != "\t" or is_well_quoted(path, separator, encoding)
        try:
            table = read_separated(path, separator, encoding, quotes, reading.header)
        except DataError as error:
            raise DataError(f"{error}{how_to_read(text, columns)}") from None
        hint = how_to_read(text, columns) if table.shape[1] == 1 else ""
        if hint:
            raise DataError(f"{path} is no table: its lines have one cell.{hint}")
        table = _require(table, path, columns, keys, text)
        try:
            if labelled:
                refuse_swallowed_rows(table, path, columns[-1], separator, encoding, reading.header)
        except DataError as error:
            raise DataError(
                f"{error} If quotation marks are plain characters here, set dataset.quotes=false."
            ) from None
    name = SEPARATORS.get(separator, f"separated by {separator!r}")
    return table, f"{name}{' without quotes' * (not quotes)}, {shown(encoding)}"


def _excel(path: Path, reading: Reading) -> tuple[pd.DataFrame, str]:
    if find_spec("openpyxl") is None:
        raise DataError(
            f"{path} is an Excel file, which needs openpyxl. Install it with: "
            "pip install 'rnn_bench[excel]'"
        )
    with unpacked(path) as file:
        content = io.BytesIO(file.read())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # openpyxl warns of styles
            book = pd.ExcelFile(content, engine="openpyxl")
            chosen: list[Any] = book.sheet_names if reading.sheet is None else [reading.sheet]
            unknown = {*chosen} - {*book.sheet_names}
            sheets = {} if unknown else book.parse(chosen, header=None, dtype=object)
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError) as error:
        raise DataError(
            f"{path} is no sound Excel file: {error}. If it is a packed file, give it the ending "
            ".zip."
        ) from None
    names = listed([*map(str, book.sheet_names)])
    if unknown:
        raise DataError(f"{path} has no sheet {reading.sheet!r}. Its sheets: {names}.")
    filled = {name: rows for name, rows in sheets.items() if not rows.empty}
    if len(filled) != 1:
        raise DataError(
            f"{path} has {len(filled) or 'no'} sheets with rows: {names}. Choose one with "
            "dataset.sheet=..."
        )
    ((name, rows),) = filled.items()
    rows = rows.dropna(how="all").map(_cell)
    return with_names(rows, path, reading.header), f"Excel, sheet {name!r}"


def _cell(value: Any) -> str:
    """Return a value of a table with types as the text that a person would write for it."""
    if isinstance(value, str):
        return value
    if value is None or value is pd.NaT or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _json(path: Path, columns: Sequence[str], reading: Reading) -> pd.DataFrame:
    lines, _ = read_lines(path, reading.encoding)
    if lines[0].lstrip().startswith("["):
        rows = _loaded("\n".join(lines), f"{path}")
    else:
        rows = [
            _loaded(line, f"{path}, line {number}")
            for number, line in enumerate(lines, 1)
            if line.strip()
        ]
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise DataError(f"{path}: row {number} is no JSON object: {json.dumps(row)[:60]}.")
        for column in columns:
            if isinstance(row.get(column), list | dict):
                raise DataError(f"{path}: {column!r} of row {number} is a list or an object.")
    names = dict.fromkeys(name for row in rows for name in row)
    cells = {name: [_cell(row.get(name)) for row in rows] for name in names}
    return pd.DataFrame(cells, dtype=object)  # JSON can hold what is no character


def _loaded(text: str, source: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{source} is not JSON: {error}. A file has an object a line, or one list of objects."
        ) from None


def _parquet(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    with unpacked(path) as file:
        content = pa.BufferReader(file.read())
    try:
        table = pq.read_table(content)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise DataError(f"{path} is damaged, or no Parquet file: {reason}") from None
    cells = {}
    for name, values in zip(table.column_names, table.columns, strict=True):
        try:
            cells[name] = values.cast(pa.large_string()).fill_null("").to_pandas()
        except (pa.ArrowException, UnicodeDecodeError) as error:
            if name in columns:
                raise DataError(
                    f"{path}: column {name!r} holds {values.type}, no texts: {error}"
                ) from None
    return pd.DataFrame(cells)

"""Read CSV files, and those with another separator, strictly: every cell is text, and errors name
the file. Write what can be read."""

import codecs
import csv
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from rnn_bench.config.dataset import SEPARATORS as GIVEN
from rnn_bench.config.errors import listed
from rnn_bench.data.corpus import DataError
from rnn_bench.data.packed_files import unpacked

# How each separator that is looked for is called in messages. One of blanks has to be given.
SEPARATORS = {sign: f"{name}-separated" for name, sign in GIVEN.items() if name != "blank"}


def read_csv(path: Path) -> pd.DataFrame:
    """Return the table of a UTF-8 CSV file with every cell as a string; "NA" and "null" are words.

    Raises:
        DataError: the file is not there, empty, not UTF-8 or not a table.
    """
    try:
        return read_separated(path)
    except UnicodeDecodeError as error:
        marked = error.object.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        raise DataError(
            f"{path} is not UTF-8: {error.reason} (byte {error.object[error.start]:#04x}). Convert "
            f"it, for example with: iconv -f {'utf-16' if marked else 'windows-1252'} -t utf-8 "
            f"{path.name}"
        ) from None


def read_separated(
    path: Path,
    separator: str = ",",
    encoding: str = "utf-8-sig",
    quotes: bool = True,
    header: bool = True,
) -> pd.DataFrame:
    """Return the table of a file of separated cells, each a string. Without a header the columns
    are called 0, 1, ...

    Args:
        quotes: whether a cell may stand between quotation marks, or they are plain characters.

    Raises:
        DataError: the file is not there, empty or not a table.
        UnicodeDecodeError: it has another encoding.
    """
    try:
        with unpacked(path) as file:
            rows = pd.read_csv(
                file,
                header=None,  # pandas would change a name that is there twice
                sep=separator,
                dtype=str,
                keep_default_na=False,
                encoding=encoding,
                quoting=csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE,
            )
    except pd.errors.EmptyDataError:
        raise DataError(f"{path} is empty.") from None
    except pd.errors.ParserError as error:
        name = SEPARATORS.get(separator, f"{separator!r}-separated")
        kind = "CSV" if separator == "," else name
        reason = str(error).removeprefix("Error tokenizing data. C error: ").strip()
        raise DataError(f"{path} is not a {kind} table: {reason}") from None
    return with_names(rows, path, header)


def with_names(rows: pd.DataFrame, path: Path, header: bool = True) -> pd.DataFrame:
    """Return rows as a table whose columns are called by the cells of the first row, which is the
    header, or else 0, 1, ...

    Raises:
        DataError: there are no rows beside the header.
    """
    if not header:
        return rows.set_axis([*map(str, range(rows.shape[1]))], axis="columns")
    if len(rows) < 2:
        raise DataError(f"{path} has a header and no rows.")
    return rows.iloc[1:].reset_index(drop=True).set_axis([*rows.iloc[0]], axis="columns")


def require_columns(
    table: pd.DataFrame, path: Path, columns: Sequence[str], keys: Sequence[str] = ()
) -> pd.DataFrame:
    """Return the table with these columns, whose names may have blanks around them in the file.
    Of other columns that have the same name, the first is left. `keys` are what the user names each
    of the columns with.

    Raises:
        DataError: a column is missing, or there are two of its name. The message lists the columns
            that there are.
    """
    names = [*table.columns]
    for column, key in zip(columns, keys or [""] * len(columns), strict=True):
        places = [place for place, name in enumerate(names) if name == column]
        if not places:
            bare = column.strip()
            places = [place for place, name in enumerate(names) if name.strip() == bare]
        if not places:
            raise DataError(
                f"{path} has no column {column!r}. Its columns: {listed(names)}."
                f"{key and f' Name another with {key}=...'}"
            )
        if len(places) > 1:
            raise DataError(
                f"{path} has {len(places)} columns {column!r}: "
                f"number {' and '.join(str(place + 1) for place in places)}. "
                "Give all but one another name."
            )
        names[places[0]] = column
    table = table.set_axis(names, axis="columns")
    return table.loc[:, ~table.columns.duplicated()]


def format_csv(table: pd.DataFrame, float_format: str | None = None) -> str:
    """Return a table as CSV with one line break, \\n, after each row; a text keeps any character.

    Readers take a carriage return outside of quotes for the end of a row, and pandas does not quote
    it, so that a table with one has quotes everywhere.
    """
    texts = table.select_dtypes(["str", "object"])
    cells = [*table.columns, *texts.to_numpy().ravel()]
    quotes = any("\r" in str(cell) for cell in cells)
    return str(
        table.to_csv(
            index=False,
            float_format=float_format,
            lineterminator="\n",
            quoting=csv.QUOTE_ALL if quotes else csv.QUOTE_MINIMAL,
        )
    )

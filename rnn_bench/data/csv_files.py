"""Read CSV files strictly: every cell is text, and errors name the file. Write what can be read."""

import codecs
import csv
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from rnn_bench.data.corpus import DataError
from rnn_bench.data.packed_files import unpacked


def read_csv(path: Path) -> pd.DataFrame:
    """Return the table of a UTF-8 CSV file with every cell as a string; "NA" and "null" are words.

    Raises:
        DataError: the file is not there, empty, not UTF-8 or not a table.
    """
    try:
        with unpacked(path) as file:
            table = pd.read_csv(file, dtype=str, keep_default_na=False, encoding="utf-8")
        with unpacked(path) as file:  # pandas changes a name that is there twice
            names = pd.read_csv(
                file, header=None, nrows=1, dtype=str, keep_default_na=False, encoding="utf-8"
            )
    except pd.errors.EmptyDataError:
        raise DataError(f"{path} is empty.") from None
    except UnicodeDecodeError as error:
        marked = error.object.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        raise DataError(
            f"{path} is not UTF-8: {error.reason} (byte {error.object[error.start]:#04x}). Convert "
            f"it, for example with: iconv -f {'utf-16' if marked else 'windows-1252'} -t utf-8 "
            f"{path.name}"
        ) from None
    except pd.errors.ParserError as error:
        raise DataError(f"{path} is not a CSV table: {str(error).strip()}") from None
    if table.empty:
        raise DataError(f"{path} has a header and no rows.")
    if not isinstance(table.index, pd.RangeIndex):  # pandas takes surplus cells for row names
        raise DataError(f"{path} is not a CSV table: its first row has more cells than its header.")
    return table.set_axis([*names.iloc[0]], axis="columns")


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
                f"{path} has no column {column!r}. Its columns: {', '.join(map(repr, names))}."
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

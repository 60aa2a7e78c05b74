"""Read CSV files strictly: every cell is text, and errors name the file."""

import codecs
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from rnn_bench.data.corpus import DataError


def read_csv(path: Path) -> pd.DataFrame:
    """Return the table of a UTF-8 CSV file with every cell as a string; "NA" and "null" are words.

    Raises:
        DataError: the file is not there, empty, not UTF-8 or not a table.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    except FileNotFoundError:
        raise DataError(f"{path} does not exist.") from None
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
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
    if table.empty:
        raise DataError(f"{path} has a header and no rows.")
    if not isinstance(table.index, pd.RangeIndex):  # pandas takes surplus cells for row names
        raise DataError(f"{path} is not a CSV table: its first row has more cells than its header.")
    return table


def require_columns(table: pd.DataFrame, path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Return the table if it has these columns.

    Raises:
        DataError: a column is missing. The message lists the columns that there are.
    """
    for column in columns:
        if column not in table.columns:
            raise DataError(
                f"{path} has no column {column!r}. Its columns: {', '.join(table.columns)}."
            )
    return table

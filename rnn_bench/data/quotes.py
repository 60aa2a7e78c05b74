"""Notice rows of a file of separated cells that a quotation mark hides from its reader."""

import csv
from collections import Counter
from io import TextIOWrapper
from pathlib import Path

import pandas as pd

from rnn_bench.data.corpus import DataError
from rnn_bench.data.packed_files import unpacked


def refuse_swallowed_rows(
    table: pd.DataFrame,
    path: Path,
    label_column: str,
    separator: str = ",",
    encoding: str = "utf-8-sig",
    header: bool = True,
) -> None:
    """Raise DataError if a quotation mark that is not closed made rows of the file part of a cell.

    A reader takes all up to the next quotation mark as one cell, whatever rows that is. Rows are
    hidden where most lines of a cell have as many cells as a row, with a label among them.
    """
    of_label = [*table.columns].index(label_column)
    labels = {label for label in table[label_column] if label.strip() and "\n" not in label}
    breaks = [table.iloc[:, place].str.count("\n") for place in range(table.shape[1])]
    for place, counts in enumerate(breaks):
        for row in counts.to_numpy().nonzero()[0]:
            lines = _whole_rows(
                str(table.iat[int(row), place]), place, of_label, table.shape[1], separator
            )
            own = Counter(cells[of_label] for cells in lines if cells)
            known = sum(count for label, count in own.items() if label in labels)
            again = sum(count for label, count in own.items() if label in labels or count > 1)
            hidden = known if known > 1 and 2 * known > len(lines) else again
            if 2 * hidden > len(lines) and (
                hidden == known > 1 or not is_well_quoted(path, separator, encoding)
            ):
                line = 1 + header + row + sum(int(each.iloc[:row].sum()) for each in breaks)
                raise DataError(
                    f"{path}, from about line {line} on: {hidden} row{'s' * (hidden > 1)} or more "
                    "are read as part of one cell, because a quotation mark is not closed. Remove "
                    "it, or write it twice in a text that stands between quotation marks."
                )


def _whole_rows(
    cell: str, place: int, of_label: int, width: int, separator: str
) -> list[list[str] | None]:
    """Return the cells of each line of a cell that would have a label if rows were hidden in it;
    None for a line that is no row.

    The first line is the rest of a row that starts before the cell, and the last one the start of a
    row that ends after it.
    """
    lines = [line.removesuffix("\r") for line in cell.split("\n")]
    lines[0] = separator * place + lines[0]
    widths = [width] * (len(lines) - 1) + [place + 1]
    chosen = range(int(of_label < place), len(lines) - int(of_label >= place))
    found = [
        (next(csv.reader([lines[number]], delimiter=separator), []), widths[number])
        for number in chosen
    ]
    return [cells if len(cells) == expected else None for cells, expected in found]


def is_well_quoted(path: Path, separator: str, encoding: str) -> bool:
    """Return whether every closing quotation mark of a file is followed by a separator or a new
    row."""
    with unpacked(path) as file, TextIOWrapper(file, encoding, newline="") as text:
        try:
            for _ in csv.reader(text, delimiter=separator, strict=True):
                pass
        except csv.Error as error:
            return "limit" in str(error)  # a cell is longer than this reader takes
    return True

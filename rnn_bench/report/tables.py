"""Writing a report's tables as CSV and LaTeX, so that no name in them is taken for code."""

import re

import pandas as pd

from rnn_bench.data.csv_files import format_csv
from rnn_bench.report.contents import Table

LATEX = {
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"},
}
# What spreadsheets take for a formula. A number or an interval may begin with a sign.
FORMULA = re.compile(r"[=@\t\r]|[+-](?![\d.,%]+( to [+-]?[\d.,]+)?$)")


def to_csv(table: Table) -> str:
    """Return a table as CSV. A cell that a spreadsheet would compute begins with an apostrophe."""
    frame = to_frame(table).map(keep_as_text)
    frame.columns = [*map(keep_as_text, table.columns)]
    return format_csv(frame)


def to_latex(table: Table) -> str:
    """Return a LaTeX table that needs the package booktabs."""
    frame = to_frame(table).map(escape_latex)
    frame.columns = [*map(escape_latex, table.columns)]
    column_format = "l" * table.words + "r" * (len(table.columns) - table.words)
    caption = escape_latex(table.title)
    return str(
        frame.to_latex(index=False, escape=False, caption=caption, column_format=column_format)
    )


def to_frame(table: Table) -> pd.DataFrame:
    rows = [[str(cell) for cell in row] for row in table.rows]
    return pd.DataFrame(rows, columns=list(table.columns), dtype=str)


def keep_as_text(cell: str) -> str:
    """Return the cell with an apostrophe before what would be a formula."""
    return f"'{cell}" if FORMULA.match(cell) else cell


def escape_latex(text: str) -> str:
    """Return a text in one line as LaTeX shows it, in any font encoding."""
    return "".join(LATEX.get(letter, letter) for letter in in_one_line(text))


def in_one_line(text: str) -> str:
    """Return the text with spaces for its line breaks and other control characters."""
    return re.sub(r"[\0-\x1f\x7f-\x9f\u2028\u2029]+", " ", text)

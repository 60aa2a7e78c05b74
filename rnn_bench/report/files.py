"""Writing a report: one page, its tables as Markdown, CSV and LaTeX, its figures as SVG."""

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from rnn_bench.config.errors import UsageError
from rnn_bench.report.contents import Link, Report, Table
from rnn_bench.report.drawing import Figure
from rnn_bench.report.palette import plain as plain_colours
from rnn_bench.report.palette import styles

PAGE = "index.html"
# Font and background of a figure outside the page.
STANDALONE_STYLE = "<style>svg{font-family:sans-serif;background:#fff}</style>"

LATEX = {
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"},
}


def write_report(report: Report, folder: Path) -> Path:
    """Write a report's files into a folder. Return the page's path.

    Raises:
        UsageError: the folder cannot be written.
    """
    try:
        for name in ("tables", "figures"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "report.md").write_text(to_markdown(report), encoding="utf-8")
        for table in report.tables:
            path = folder / "tables" / f"{table.name}.csv"
            to_frame(table).to_csv(path, index=False)
            path.with_suffix(".tex").write_text(to_latex(table), encoding="utf-8")
            path.with_suffix(".md").write_text(markdown_table(table) + "\n", encoding="utf-8")
        for figure in report.figures:
            path = folder / "figures" / f"{figure.name}.svg"
            path.write_text(standalone(figure), encoding="utf-8")
        page = folder / PAGE
        page.write_text(to_html(report), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror or error}.") from error
    return page


def standalone(figure: Figure) -> str:
    """Return a figure's SVG as a file of its own."""
    return re.sub(r"(<svg [^>]*>)", rf"\1{STANDALONE_STYLE}", plain_colours(figure.svg), count=1)


def to_html(report: Report) -> str:
    """Return the page, which needs no other file and no network. All text is escaped."""
    templates = Environment(
        loader=PackageLoader("rnn_bench.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.tests["link"] = lambda cell: isinstance(cell, Link)
    return templates.get_template("page.html.jinja").render(report=report, styles=styles())


def to_frame(table: Table) -> pd.DataFrame:
    rows = [[str(cell) for cell in row] for row in table.rows]
    return pd.DataFrame(rows, columns=list(table.columns), dtype=str)


def to_latex(table: Table) -> str:
    """Return a LaTeX table that needs the package booktabs."""
    frame = to_frame(table).map(escape_latex)
    frame.columns = [*map(escape_latex, table.columns)]
    column_format = "l" * table.words + "r" * (len(table.columns) - table.words)
    caption = escape_latex(table.title)
    return str(
        frame.to_latex(index=False, escape=False, caption=caption, column_format=column_format)
    )


def escape_latex(text: str) -> str:
    """Return a text as LaTeX shows it, in any font encoding."""
    return "".join(LATEX.get(letter, letter) for letter in text)


def to_markdown(report: Report) -> str:
    """Return the page's text and tables; figures are links to their files."""
    parts = [f"# {report.title}", report.status, *report.conclusions, report.explanation]
    for section in report.sections:
        parts += [f"## {section.title}", *section.text]
        for table in section.tables:
            parts += [f"**{table.title}**", markdown_table(table)]
            parts += [table.note] if table.note else []
        parts += [
            f"![{figure.title}. {figure.text}](figures/{figure.name}.svg)"
            for figure in section.figures
        ]
    if report.command:
        parts += ["## Command that reproduces this sweep", f"```\n{report.command}\n```"]
    return "\n\n".join(parts) + "\n"


def markdown_table(table: Table) -> str:
    aligned = ["---" if column < table.words else "---:" for column in range(len(table.columns))]
    lines = [table.columns, aligned, *table.rows]
    return "\n".join(markdown_row(line) for line in lines)


def markdown_row(cells: Sequence[str | Link]) -> str:
    written = []
    for cell in cells:
        text = re.sub(r"([\\`*_\[\]<>|])", r"\\\1", str(cell))
        written.append(f"[{text}]({cell.address})" if isinstance(cell, Link) else text)
    return f"| {' | '.join(written)} |"

"""A report as files: one page, the tables as Markdown, CSV and LaTeX, the figures as SVG."""

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
# What a figure has where no page gives it any.
ALONE = "<style>svg{font-family:sans-serif;background:#fff}</style>"

LATEX = {
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"},
}


def write_report(report: Report, folder: Path) -> Path:
    """Write a report's files into a folder; returns the page's path.

    Raises:
        UsageError: the folder cannot be written.
    """
    try:
        for name in ("tables", "figures"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "report.md").write_text(markdown(report), encoding="utf-8")
        for table in report.tables:
            frame = plain(table)
            frame.to_csv(folder / "tables" / f"{table.name}.csv", index=False)
            (folder / "tables" / f"{table.name}.tex").write_text(latex(table), encoding="utf-8")
            (folder / "tables" / f"{table.name}.md").write_text(
                markdown_table(table) + "\n", encoding="utf-8"
            )
        for figure in report.figures:
            path = folder / "figures" / f"{figure.name}.svg"
            path.write_text(standalone(figure), encoding="utf-8")
        page = folder / PAGE
        page.write_text(html(report), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror or error}.") from error
    return page


def standalone(figure: Figure) -> str:
    """The figure's SVG as a file of its own."""
    return re.sub(r"(<svg [^>]*>)", rf"\1{ALONE}", plain_colours(figure.svg), count=1)


def html(report: Report) -> str:
    """The page: no file or address beside it is needed. All text is escaped."""
    templates = Environment(
        loader=PackageLoader("rnn_bench.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.tests["link"] = lambda cell: isinstance(cell, Link)
    return templates.get_template("page.html.jinja").render(report=report, styles=styles())


def plain(table: Table) -> pd.DataFrame:
    rows = [[str(cell) for cell in row] for row in table.rows]
    return pd.DataFrame(rows, columns=list(table.columns), dtype=str)


def latex(table: Table) -> str:
    """A table that booktabs sets; `<` and `>` too come out as they are, in any font encoding."""
    frame = plain(table).map(in_latex)
    frame.columns = [*map(in_latex, table.columns)]
    places = "l" * table.words + "r" * (len(table.columns) - table.words)
    return str(
        frame.to_latex(
            index=False, escape=False, caption=in_latex(table.title), column_format=places
        )
    )


def in_latex(text: str) -> str:
    return "".join(LATEX.get(letter, letter) for letter in text)


def markdown(report: Report) -> str:
    """Text and tables of the page; figures as files beside it."""
    parts = [f"# {report.title}", report.status, *report.answer, report.basis]
    for section in report.sections:
        parts += [f"## {section.title}", *section.text]
        for table in section.tables:
            parts += [f"**{table.title}**", markdown_table(table)]
            parts += [table.note] if table.note else []
        parts += [f"![{figure.text}](figures/{figure.name}.svg)" for figure in section.figures]
    if report.command:
        parts += ["## The command that makes it again", f"```\n{report.command}\n```"]
    return "\n\n".join(parts) + "\n"


def markdown_table(table: Table) -> str:
    aligned = ["---" if place < table.words else "---:" for place in range(len(table.columns))]
    lines = [table.columns, aligned, *table.rows]
    return "\n".join(markdown_row(line) for line in lines)


def markdown_row(cells: Sequence[str | Link]) -> str:
    written = []
    for cell in cells:
        text = (
            re.sub(r"([\\`*_\[\]<>|])", r"\\\1", str(cell))
            if set(str(cell)) - {"-", ":"}
            else str(cell)
        )
        written.append(f"[{text}]({cell.address})" if isinstance(cell, Link) else text)
    return f"| {' | '.join(written)} |"

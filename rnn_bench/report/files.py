"""Writing a report: one page, its tables as Markdown, CSV and LaTeX, its figures as SVG."""

import re
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from rnn_bench.config.errors import UsageError
from rnn_bench.files import write_atomically
from rnn_bench.report.contents import Link, Report
from rnn_bench.report.drawing import Figure
from rnn_bench.report.markdown import to_markdown, write_markdown
from rnn_bench.report.palette import plain as plain_colours
from rnn_bench.report.palette import styles
from rnn_bench.report.tables import to_csv, to_latex

PAGE = "index.html"
# Font and background of a figure outside the page.
STANDALONE_STYLE = "<style>svg{font-family:sans-serif;background:#fff}</style>"


def write_report(report: Report, folder: Path) -> Path:
    """Write a report's files into a folder, each in one step. Return the page's path.

    Raises:
        UsageError: the folder cannot be written.
    """
    try:
        for name in ("tables", "figures"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        write_atomically(folder / "report.md", write_markdown(report))
        for table in report.tables:
            path = folder / "tables" / f"{table.name}.csv"
            write_atomically(path, to_csv(table))
            write_atomically(path.with_suffix(".tex"), to_latex(table))
            write_atomically(path.with_suffix(".md"), to_markdown(table) + "\n")
        for figure in report.figures:
            path = folder / "figures" / f"{figure.name}.svg"
            write_atomically(path, standalone(figure))
        page = folder / PAGE
        write_atomically(page, to_html(report))
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

"""Writing a report as Markdown, so that no name in it is taken for Markdown or HTML."""

import re
from collections.abc import Sequence
from urllib.parse import quote

from rnn_bench.report.contents import Link, Report, Table
from rnn_bench.report.tables import in_one_line

# An underscore within a word, such as hidden_size, is no markup.
MARKUP = re.compile(r"[\\`*\[\]<>|&~$]|(?<!\w)_|_(?!\w)")
FENCE = "```"


def write_markdown(report: Report) -> str:
    """Return the page's text and tables; figures are links to their files."""
    advice = [f"Mind: {line}" for line in report.advice]
    texts = [report.status, *report.conclusions, report.explanation, *advice]
    parts = [f"# {escape_markdown(report.title)}", *map(escape_markdown, texts)]
    for section in report.sections:
        parts += [f"## {escape_markdown(section.title)}", *map(escape_markdown, section.text)]
        for table in section.tables:
            parts += [f"**{escape_markdown(table.title)}**", to_markdown(table)]
            parts += [escape_markdown(table.note)] if table.note else []
        parts += [
            f"![{escape_markdown(f'{figure.title}. {figure.text}')}](figures/{figure.name}.svg)"
            for figure in section.figures
        ]
    if report.command:
        longest = max((len(run) for run in re.findall("`+", report.command)), default=0)
        fence = "`" * max(len(FENCE), longest + 1)
        parts += ["## Command that reproduces this sweep", f"{fence}\n{report.command}\n{fence}"]
    return "\n\n".join(parts) + "\n"


def to_markdown(table: Table) -> str:
    """Return a table in the form that GitHub shows."""
    aligned = ["---" if column < table.words else "---:" for column in range(len(table.columns))]
    written = [write_row(line) for line in (table.columns, *table.rows)]
    written.insert(1, f"| {' | '.join(aligned)} |")
    return "\n".join(written)


def write_row(cells: Sequence[str | Link]) -> str:
    written = []
    for cell in cells:
        text = escape_markdown(str(cell))
        if isinstance(cell, Link):
            text = f"[{text}]({quote(cell.address, safe='/:#?&=%@[]')})"
        written.append(text)
    return f"| {' | '.join(written)} |"


def escape_markdown(text: str) -> str:
    """Return a text in one line, as Markdown shows it."""
    return MARKUP.sub(r"\\\g<0>", in_one_line(text))

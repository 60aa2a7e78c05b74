"""Labels and probabilities as rows of JSON, JSON lines or a table of the terminal."""

import json
import math
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from rnn_bench.tracking.model_folder import PROBABILITY

MIN_TEXT_WIDTH = 20  # columns of the terminal, however many classes there are


def prediction_rows(
    labels: Sequence[str], probabilities: Sequence[Sequence[float]], classes: Sequence[str]
) -> list[dict[str, Any]]:
    """Return an object for each text: `label`, and `p_<class>` for each class."""
    names = [f"{PROBABILITY}{name}" for name in classes]
    return [
        {"label": label, **dict(zip(names, map(null_if_nan, row), strict=True))}
        for label, row in zip(labels, probabilities, strict=True)
    ]


def format_json_lines(
    labels: Sequence[str], probabilities: Sequence[Sequence[float]], classes: Sequence[str]
) -> list[str]:
    """Return a line for each text: a JSON object with its label and each class's probability."""
    lines = []
    for label, row in zip(labels, probabilities, strict=True):
        shares = dict(zip(classes, map(null_if_nan, row), strict=True))
        line = {"label": label, "probabilities": shares}
        lines.append(json.dumps(line, ensure_ascii=False))
    return lines


def null_if_nan(probability: float) -> float | None:
    """Return None for a diverged model's probability: JSON has no NaN."""
    return None if math.isnan(probability) else probability


def format_table(
    labels: Sequence[str],
    probabilities: Sequence[Sequence[float]],
    classes: Sequence[str],
    texts: Sequence[str],
) -> list[str]:
    """Return the lines of a table: label, probabilities and the beginning of each text.

    Only texts are cut at the terminal's width. Where the other columns leave them less than
    `MIN_TEXT_WIDTH`, the table is wider than the terminal.
    """
    console = Console()
    width = console.width
    table = Table(box=None, pad_edge=False, header_style="bold")
    headings = [to_one_line(name) for name in ("label", *classes)]
    for heading in headings:
        table.add_column(heading, no_wrap=True)
    table.add_column("text")
    for label, row, text in zip(labels, probabilities, texts, strict=True):
        beginning = to_one_line(text[: 2 * width])
        beginning.no_wrap, beginning.overflow = True, "ellipsis"
        table.add_row(to_one_line(label), *(f"{probability:.4f}" for probability in row), beginning)
    label_width = max(heading.cell_len for heading in headings)
    shares_width = sum(max(heading.cell_len, len("0.0000")) for heading in headings[1:])
    min_width = label_width + shares_width + 2 * len(headings) + MIN_TEXT_WIDTH
    if min_width > width:
        table.width = min_width
    with console.capture() as captured:
        console.print(table, crop=False)
    return [line.rstrip() for line in captured.get().splitlines()]


def to_one_line(text: str) -> Text:
    """Return a text without markup, and without what would move the cursor or set colours."""
    printable = "".join(character if character.isprintable() else " " for character in text)
    return Text(" ".join(printable.split()))

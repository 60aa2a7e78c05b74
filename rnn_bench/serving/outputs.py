"""Labels and probabilities as rows of JSON, JSON lines or a table of the terminal."""

import json
import math
import shutil
from collections.abc import Iterator, Sequence
from typing import Any

from rich.cells import cell_len, set_cell_size

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
) -> Iterator[str]:
    """Yield a JSON object for each text: its label and each class's probability."""
    for label, row in zip(labels, probabilities, strict=True):
        shares = dict(zip(classes, map(null_if_nan, row), strict=True))
        yield json.dumps({"label": label, "probabilities": shares}, ensure_ascii=False)


def null_if_nan(probability: float) -> float | None:
    """Return None for a diverged model's probability: JSON has no NaN."""
    return None if math.isnan(probability) else probability


def format_table(
    labels: Sequence[str],
    probabilities: Sequence[Sequence[float]],
    classes: Sequence[str],
    texts: Sequence[str],
) -> Iterator[str]:
    """Yield the lines of a table: label, probabilities and the beginning of each text.

    Only texts are cut at the terminal's width, and never below `MIN_TEXT_WIDTH`.
    """
    headings = ["label", *map(to_one_line, classes)]
    widths = [max(map(cell_len, headings)), *(max(6, cell_len(name)) for name in headings[1:])]
    room = shutil.get_terminal_size().columns - sum(widths) - 2 * len(widths)
    room = max(room, MIN_TEXT_WIDTH)
    numbers = [[f"{probability:.4f}" for probability in row] for row in probabilities]
    rows = zip(map(to_one_line, labels), numbers, texts, strict=True)
    for label, cells, text in [("label", headings[1:], "text"), *rows]:
        padded = map(set_cell_size, (label, *cells), widths)
        yield "  ".join([*padded, cut_to_width(to_one_line(text[: 2 * room]), room)]).rstrip()


def cut_to_width(line: str, width: int) -> str:
    """Return as much of a line as a number of the terminal's columns shows."""
    return line if cell_len(line) <= width else set_cell_size(line, width - 1).rstrip() + "…"


def to_one_line(text: str) -> str:
    """Return a text without what would move the cursor or set colours."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())

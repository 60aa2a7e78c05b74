"""Labels and probabilities on the terminal: a table for a person, or JSON lines."""

import json
import math
import shutil
from collections.abc import Iterator, Sequence

from rich.cells import cell_len, set_cell_size

NARROWEST = 20  # columns of the terminal that a text's beginning gets at least


def json_lines(
    labels: Sequence[str], probabilities: Sequence[Sequence[float]], classes: Sequence[str]
) -> Iterator[str]:
    """An object a text: its label and the probability of each class, null where a diverged model
    gives none."""
    for label, shares in zip(labels, probabilities, strict=True):
        known = [None if math.isnan(share) else share for share in shares]
        answer = {"label": label, "probabilities": dict(zip(classes, known, strict=True))}
        yield json.dumps(answer, ensure_ascii=False)


def table(
    labels: Sequence[str],
    probabilities: Sequence[Sequence[float]],
    classes: Sequence[str],
    texts: Sequence[str],
) -> Iterator[str]:
    """Aligned lines: label, the probability of each class, the beginning of the text."""
    shown = [one_line(name) for name in classes]
    first = max(cell_len(name) for name in ("label", *shown))
    widths = [max(cell_len(name), len("0.0000")) for name in shown]
    room = shutil.get_terminal_size().columns - first - sum(widths) - 2 * len(widths) - 2
    room = max(room, NARROWEST)
    heads = [
        name + " " * (width - cell_len(name)) for name, width in zip(shown, widths, strict=True)
    ]
    yield "  ".join([set_cell_size("label", first), *heads, "text"])
    for label, shares, text in zip(labels, probabilities, texts, strict=True):
        cells = [f"{share:.4f}".ljust(width) for share, width in zip(shares, widths, strict=True)]
        yield "  ".join([set_cell_size(one_line(label), first), *cells, beginning(text, room)])


def beginning(text: str, room: int) -> str:
    """As much of a text as has room in one line."""
    line = one_line(text[: 2 * room])
    if len(text) <= 2 * room and cell_len(line) <= room:
        return line
    return set_cell_size(line, room - 1).rstrip() + "…"


def one_line(text: str) -> str:
    """A text without what would move the cursor or change the terminal."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())

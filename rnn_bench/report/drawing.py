"""How a figure becomes SVG that takes the page's text colour and font."""

import io
import math
import re
import textwrap
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from rnn_bench.report.palette import INK, coloured

WIDE, NARROW = 6.8, 3.4  # inches, of a page and of a phone
PANEL = 1.6  # inches, the least width of a small multiple
STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "rnn_bench",  # the same figure has the same bytes
    "text.parse_math": False,  # a $ in a name is a dollar
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.18,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": INK,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
}


@dataclass(frozen=True)
class Figure:
    """`svg` stands in a page, and `narrow` in one as wide as a phone; `text` says what they show
    to who does not see it."""

    name: str
    title: str
    text: str
    svg: str
    narrow: str


def drawn(name: str, title: str, text: str, draw: Callable[[float], Canvas]) -> Figure:
    """A figure drawn for both widths (in inches)."""
    with mpl.rc_context(STYLE):
        wide, narrow = (
            svg(draw(width), f"{name}{suffix}", title, text)
            for width, suffix in ((WIDE, ""), (NARROW, "-narrow"))
        )
    return Figure(name, title, text, wide, narrow)


def svg(canvas: Canvas, name: str, title: str, text: str) -> str:
    buffer = io.StringIO()
    with warnings.catch_warnings():  # the reader's fonts have the letters that matplotlib's lack
        warnings.filterwarnings("ignore", r"Glyph .* missing from")
        canvas.savefig(
            buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None}
        )
    found = buffer.getvalue()
    found = coloured(found[found.index("<svg") :])
    found = re.sub(r'id="([^"]+)"', rf'id="{name}-\1"', found)  # unique in a page of several
    found = re.sub(r"(url\(#|href=\"#)", rf"\1{name}-", found)
    label = f'<svg role="img" aria-labelledby="{name}-title {name}-text" '
    described = (
        f'<title id="{name}-title">{escaped(title)}</title>'
        f'<desc id="{name}-text">{escaped(text)}</desc>'
    )
    head, _, rest = found.replace("<svg ", label, 1).partition(">")
    return f"{head}>{described}{rest}"


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def folded(text: str, inches: float) -> str:
    """A text in at most two lines of so many inches."""
    return "\n".join(textwrap.wrap(text, int(inches * 13), max_lines=2, placeholder=" …"))


def panels(
    count: int, width: float, height: float, **shared: Any
) -> tuple[Canvas, list[Axes], float]:
    """Small multiples of so many inches of height in rows, and the width of each."""
    columns = min(3, count, int(width / PANEL))
    rows = math.ceil(count / columns)
    canvas = Canvas(figsize=(width, height * rows + 0.6))
    grid = canvas.subplots(rows, columns, squeeze=False, **shared)
    for place, axes in enumerate(grid.flat):
        axes.set_visible(place < count)
        if place >= count - columns:  # nothing is below
            axes.xaxis.set_tick_params(labelbottom=True)
    return canvas, [*grid.flat][:count], width / columns


def legend(canvas: Canvas, axes: Sequence[Axes], width: float) -> None:
    """One for all panels, above them."""
    entries: dict[str, Any] = {}
    for each in axes:
        for handle, label in zip(*each.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    longest = max(map(len, entries))
    canvas.legend(
        entries.values(),
        [folded(label, width - 0.8) for label in entries],
        loc="outside upper left",
        ncols=max(1, min(len(entries), int(width * 13 / (longest + 6)))),
    )


def logarithmic(axes: Axes, values: Sequence[float]) -> None:
    """A logarithmic x axis with a few plain numbers, be it decades long or a part of one."""
    low, high = math.log10(min(values)), math.log10(max(values))
    step = max(1, math.ceil((high - low) / 3))
    ticks = [10.0**power for power in range(math.floor(low), math.ceil(high) + 1, step)]
    axes.set_xscale("log")
    if high - low < 1:
        ticks = [*dict.fromkeys(float(f"{10**each:.2g}") for each in (low, (low + high) / 2, high))]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlim(10 ** (low - 0.15), 10 ** (high + 0.15))

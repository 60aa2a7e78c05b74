"""Drawing a figure as SVG that takes the text colour and font of the page around it."""

import io
import math
import re
import textwrap
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from statistics import mean
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
    """A figure for a wide page (`svg`) and for a phone (`narrow`). `title` is its caption, `text`
    describes it to readers who do not see it."""

    name: str
    title: str
    text: str
    svg: str
    narrow: str


def draw_figure(name: str, title: str, text: str, draw: Callable[[float], Canvas]) -> Figure:
    """Draw a figure for both widths; `draw` takes a width in inches."""
    with mpl.rc_context(STYLE):
        wide, narrow = (
            to_svg(draw(width), f"{name}{suffix}", title, text)
            for width, suffix in ((WIDE, ""), (NARROW, "-narrow"))
        )
    return Figure(name, title, text, wide, narrow)


def to_svg(canvas: Canvas, name: str, title: str, text: str) -> str:
    """Return a drawing as SVG with a title and a description; `name` makes its ids unique."""
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
        f'<title id="{name}-title">{escape(title, quote=False)}</title>'
        f'<desc id="{name}-text">{escape(text, quote=False)}</desc>'
    )
    head, _, rest = found.replace("<svg ", label, 1).partition(">")
    return f"{head}>{described}{rest}"


def fold_text(text: str, inches: float) -> str:
    """Return a text in at most two lines of so many inches."""
    return "\n".join(textwrap.wrap(text, int(inches * 13), max_lines=2, placeholder=" …"))


def make_panels(
    count: int, width: float, height: float, **shared: Any
) -> tuple[Canvas, list[Axes], float]:
    """Return a drawing with panels of so many inches of height in rows, the panels, and the width
    of each in inches."""
    columns = min(3, count, int(width / PANEL))
    rows = math.ceil(count / columns)
    canvas = Canvas(figsize=(width, height * rows + 0.6))
    grid = canvas.subplots(rows, columns, squeeze=False, **shared)
    for position, axes in enumerate(grid.flat):
        axes.set_visible(position < count)
        if position >= count - columns:  # nothing is below
            axes.xaxis.set_tick_params(labelbottom=True)
    return canvas, [*grid.flat][:count], width / columns


def add_legend(canvas: Canvas, axes: Sequence[Axes], width: float) -> None:
    """Put one legend above all panels, in the mean order that entries have in them."""
    entries: dict[str, Any] = {}
    places: dict[str, list[int]] = {}
    for each in axes:
        for place, (handle, label) in enumerate(
            zip(*each.get_legend_handles_labels(), strict=True)
        ):
            entries.setdefault(label, handle)
            places.setdefault(label, []).append(place)
    labels = sorted(entries, key=lambda label: mean(places[label]))
    columns = max(1, min(len(labels), int(width * 13 / (max(map(len, labels)) + 6))))
    labels = [label for first in range(columns) for label in labels[first::columns]]  # read by row
    canvas.legend(
        [entries[label] for label in labels],
        [fold_text(label, width - 0.8) for label in labels],
        loc="outside upper left",
        ncols=columns,
    )


def use_logarithmic_x(axes: Axes, values: Sequence[float]) -> None:
    """Make the x axis logarithmic, with a few plain numbers whether it spans decades or less."""
    low, high = math.log10(min(values)), math.log10(max(values))
    step = max(1, math.ceil((high - low) / 3))
    ticks = [10.0**power for power in range(math.floor(low), math.ceil(high) + 1, step)]
    axes.set_xscale("log")
    if high - low < 1:
        ticks = [*dict.fromkeys(float(f"{10**each:.2g}") for each in (low, (low + high) / 2, high))]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlim(10 ** (low - 0.15), 10 ** (high + 0.15))

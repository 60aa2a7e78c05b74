"""Draw the benchmark's figures, in the style of the report's."""

import itertools
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator

from rnn_bench.report.drawing import Figure, draw_figure
from rnn_bench.report.palette import OTHERS, styles

GREY = "#888888"
LINES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", GREY, "#e69f00")
PALETTE = ("#0072b2", GREY, OTHERS[0], OTHERS[3])


def bars(name: str, title: str, unit: str, values: Mapping[str, Mapping[str, float]]) -> Figure:
    """Draw a bar for each value, grouped by the inner keys, in a colour for each outer key."""
    groups = list(dict.fromkeys(group for found in values.values() for group in found))
    height = 0.8 / len(values)

    def draw(width: float) -> Canvas:
        canvas = Canvas(figsize=(width, 0.8 + 0.24 * len(groups) * len(values)))
        axes = canvas.subplots()
        for place, (label, found) in enumerate(values.items()):
            colour = PALETTE[place % len(PALETTE)]
            ys = [groups.index(group) + place * height for group in found]
            boxes = axes.barh(ys, list(found.values()), 0.9 * height, color=colour, label=label)
            axes.bar_label(boxes, [f"{value:,.4g}" for value in found.values()], padding=3)
        axes.set_yticks([place + 0.4 - height / 2 for place in range(len(groups))], groups)
        axes.tick_params(axis="y", length=0)
        axes.invert_yaxis()
        axes.set_xlabel(unit)
        axes.margins(x=0.12)
        axes.grid(visible=False, axis="y")
        if len(values) > 1:
            axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
        return canvas

    return draw_figure(name, title, f"{title}, {unit}: {listed(values)}.", draw)


def stacked(name: str, title: str, unit: str, values: Mapping[str, Mapping[str, float]]) -> Figure:
    """Draw a bar for each outer key, with a piece for each inner key."""
    pieces = list(dict.fromkeys(piece for found in values.values() for piece in found))
    colours = [*(style.light for style in styles().values()), *OTHERS]

    def draw(width: float) -> Canvas:
        canvas = Canvas(figsize=(width, 1.0 + 0.35 * len(values)))
        axes = canvas.subplots()
        left = dict.fromkeys(values, 0.0)
        for piece, colour in zip(pieces, colours, strict=False):
            widths = [found.get(piece, 0.0) for found in values.values()]
            axes.barh(list(values), widths, 0.7, [*left.values()], color=colour, label=piece)
            left = {key: left[key] + width for key, width in zip(left, widths, strict=True)}
        axes.invert_yaxis()
        axes.set_xlabel(unit)
        axes.grid(visible=False, axis="y")
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=8)
        return canvas

    return draw_figure(name, title, f"{title}, {unit}: {listed(values)}.", draw)


def line(name: str, title: str, x_unit: str, y_unit: str, points: Mapping[float, float]) -> Figure:
    """Draw values by sizes, both logarithmic. The dotted line is a cost in proportion to size."""
    xs, ys = [*points], [*points.values()]

    def draw(width: float) -> Canvas:
        canvas = Canvas(figsize=(width, 3.0))
        axes = canvas.subplots()
        axes.plot(xs, ys, "o-", color=PALETTE[0], ms=4, lw=1.3)
        as_size = [ys[0] * x / xs[0] for x in xs]
        axes.plot(xs, as_size, ":", color=PALETTE[0], alpha=0.5, label="in proportion")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xticks(xs, [f"{x:g}" for x in xs])
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.minorticks_off()
        axes.set_xlabel(x_unit)
        axes.set_ylabel(y_unit)
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
        return canvas

    listing = ", ".join(f"{x:g} {y:.4g}" for x, y in points.items())
    return draw_figure(name, title, f"{title}, {y_unit} over {x_unit}: {listing}.", draw)


def grid_of_lines(
    name: str,
    title: str,
    x_unit: str,
    y_unit: str,
    values: Mapping[str, Mapping[str, Mapping[str, Mapping[float, float]]]],
) -> Figure:
    """Draw values by sizes, both logarithmic, as a line for each of the innermost labels; the outer
    keys are rows of panels, the next ones their columns."""
    rows, columns = [*values], [*next(iter(values.values()))]
    labels = list(
        dict.fromkeys(each for row in values.values() for c in row.values() for each in c)
    )

    def draw(width: float) -> Canvas:
        canvas = Canvas(figsize=(width, 0.9 + 1.7 * len(rows)))
        panels = canvas.subplots(len(rows), len(columns), sharex=True, sharey=True, squeeze=False)
        for row, column in itertools.product(rows, columns):
            axes = panels[rows.index(row)][columns.index(column)]
            for label, points in values[row][column].items():
                colour = LINES[labels.index(label) % len(LINES)]
                axes.plot([*points], [*points.values()], "o-", color=colour, ms=3.5, lw=1.2)
            axes.set_xscale("log", base=2)
            axes.set_yscale("log")
            xs = sorted({x for points in values[row][column].values() for x in points})
            axes.set_xticks(xs, [f"{x:g}" for x in xs])
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5, 7)))
            axes.yaxis.set_major_formatter("{x:g}")
            axes.minorticks_off()
            if row == rows[0]:
                axes.set_title(column, fontsize=9)
            if row == rows[-1]:
                axes.set_xlabel(x_unit)
            if column == columns[0]:
                axes.set_ylabel(f"{row}\n{y_unit}" if len(rows) > 1 else y_unit)
        handles = [
            Line2D([], [], color=LINES[place % len(LINES)], marker="o", ms=3.5, lw=1.2, label=label)
            for place, label in enumerate(labels)
        ]
        canvas.legend(handles=handles, loc="outside upper center", ncols=3, fontsize=8)
        return canvas

    listing = "; ".join(
        " ".join(filter(None, (row, column, label)))
        + " "
        + ", ".join(f"{x:g} {y:.4g}" for x, y in points.items())
        for row, found in values.items()
        for column, lines in found.items()
        for label, points in lines.items()
    )
    return draw_figure(name, title, f"{title}, {y_unit} over {x_unit}: {listing}.", draw)


def timeline(
    name: str, title: str, lanes: Mapping[str, Sequence[tuple[str, float, float]]]
) -> Figure:
    """Draw pieces of time, each with its kind, begin and end in microseconds, in a lane for each
    key."""
    kinds = list(dict.fromkeys(kind for pieces in lanes.values() for kind, _, _ in pieces))
    spent = {
        lane: {
            kind: sum(end - begin for each, begin, end in pieces if each == kind) / 1000
            for kind in dict.fromkeys(kind for kind, _, _ in pieces)
        }
        for lane, pieces in lanes.items()
    }

    def draw(width: float) -> Canvas:
        canvas = Canvas(figsize=(width, 1.0 + 0.5 * len(lanes)))
        axes = canvas.subplots()
        for kind in kinds:
            colour = LINES[kinds.index(kind) % len(LINES)]
            for place, pieces in enumerate(lanes.values()):
                bars = [(b / 1000, (e - b) / 1000) for each, b, e in pieces if each == kind]
                axes.broken_barh(bars, (place - 0.35, 0.7), color=colour, lw=0)
            axes.plot([], [], color=colour, lw=6, label=kind)
        axes.set_yticks(range(len(lanes)), [*lanes])
        axes.tick_params(axis="y", length=0)
        axes.invert_yaxis()
        axes.set_xlabel("milliseconds")
        axes.grid(visible=False, axis="y")
        canvas.legend(loc="outside upper center", ncols=4, fontsize=8)
        return canvas

    return draw_figure(name, title, f"{title}, milliseconds: {listed(spent)}.", draw)


def listed(values: Mapping[str, Mapping[str, float]]) -> str:
    return "; ".join(
        f"{label} " + ", ".join(f"{group} {value:.4g}".strip() for group, value in found.items())
        for label, found in values.items()
    )

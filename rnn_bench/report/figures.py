"""The report's figures, as SVG that takes the page's text colour and font."""

import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MaxNLocator

from rnn_bench.report.configurations import Configuration, models
from rnn_bench.report.statistics import Estimate

# Okabe and Ito's colours, which colour-blind readers tell apart: https://jfly.uni-koeln.de/color
CELLS = {
    "rnn": "#d55e00",
    "lstm": "#0072b2",
    "gru": "#009e73",
    "tfidf": "#cc79a7",
    "majority": "#888888",
}
OTHERS = ("#e69f00", "#56b4e9", "#a6761d", "#7570b3", "#66a61e")
MARKERS = {"rnn": "o", "lstm": "s", "gru": "^", "tfidf": "D", "majority": "X"}
INK = "#010203"  # becomes the page's text colour
COLUMN = 2.6  # inches, of a small multiple
STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "rnn_bench",  # the same figure has the same bytes
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
    """`svg` stands in a page; `text` says what it shows to who does not see it."""

    name: str
    title: str
    text: str
    svg: str


def colours(found: Sequence[Configuration]) -> dict[str, str]:
    """A colour for each label; those of one model differ in it only where they have to."""
    spare = iter(OTHERS * 20)
    chosen: dict[str, str] = {}
    for each in found:
        if each.label not in chosen:
            taken = CELLS.get(each.model) in chosen.values()
            chosen[each.label] = (
                next(spare) if taken or each.model not in CELLS else CELLS[each.model]
            )
    return chosen


@contextmanager
def drawing(width: float, height: float) -> Iterator[Canvas]:
    """A canvas of so many inches."""
    with mpl.rc_context(STYLE):
        yield Canvas(figsize=(width, height))


def finished(canvas: Canvas, name: str, title: str, text: str) -> Figure:
    buffer = io.StringIO()
    canvas.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    for cell, colour in CELLS.items():  # lighter on a dark page
        svg = svg.replace(colour, f"var(--{cell}, {colour})")
    svg = re.sub(r'id="([^"]+)"', rf'id="{name}-\1"', svg)  # unique in a page of several
    svg = re.sub(r"(url\(#|href=\"#)", rf"\1{name}-", svg)
    label = f'<svg role="img" aria-labelledby="{name}-title {name}-text" '
    described = (
        f'<title id="{name}-title">{escaped(title)}</title>'
        f'<desc id="{name}-text">{escaped(text)}</desc>'
    )
    svg = svg.replace("<svg ", label, 1)
    head, _, rest = svg.partition(">")
    return Figure(name, title, text, f"{head}>{described}{rest}")


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def accuracy_figure(found: Sequence[Configuration], estimates: Mapping[str, Estimate]) -> Figure:
    """Test accuracy of each configuration with its interval (`estimates`, by key), and each
    seed."""
    order = [*found][::-1]
    palette = colours(found)
    with drawing(6.8, 0.7 + 0.3 * len(order)) as canvas:
        axes = canvas.subplots()
        for place, each in enumerate(order):
            colour, estimate = palette[each.label], estimates[each.key]
            if math.isfinite(estimate.low):
                axes.plot([estimate.low, estimate.high], [place] * 2, color=colour, lw=2)
            seeds = each.values("test_accuracy")
            axes.plot(seeds, [place] * len(seeds), "|", color=colour, ms=9, alpha=0.6)
            marker = MARKERS.get(each.model, "P")
            axes.plot([estimate.value], [place], marker, color=colour, ms=6)
        several = len({each.corpus for each in found}) > 1
        axes.set_yticks(
            range(len(order)), [each.title if several else each.label for each in order]
        )
        axes.set_xlabel("test accuracy (share of articles)")
        axes.grid(visible=False, axis="y")
        said = "; ".join(f"{each.title} {estimates[each.key].value:.4f}" for each in found)
        return finished(canvas, "accuracy", "Test accuracy", f"Means with 95 % intervals: {said}.")


def loss_figure(found: Sequence[Configuration]) -> Figure | None:
    """Small multiples of the losses by epoch, a line a seed; None if nothing has epochs."""
    shown = [each for each in found if any(len(run.curves["val_loss"]) > 1 for run in each.runs)]
    if not shown:
        return None
    palette = colours(found)
    columns = min(3, len(models(shown)) if len(models(shown)) > 1 else len(shown), len(shown))
    rows = math.ceil(len(shown) / columns)
    with drawing(COLUMN * columns + 0.4, 1.9 * rows + 0.5) as canvas:
        grid = canvas.subplots(rows, columns, sharex=True, squeeze=False)
        for axes, each in zip(grid.flat, shown, strict=False):
            draw_losses(axes, each, palette[each.label])
        for axes in grid.flat[len(shown) :]:
            axes.set_visible(False)
        for axes in grid[:, 0]:
            axes.set_ylabel("loss (nats)")
        for axes in grid[-1]:
            axes.set_xlabel("epoch")
        text = "Training loss dashed, validation loss solid, a line a seed, for " + "; ".join(
            each.title for each in shown
        )
        return finished(canvas, "losses", "Training and validation loss by epoch", f"{text}.")


def draw_losses(axes: Axes, each: Configuration, colour: str) -> None:
    for run in each.runs:
        for name, style, alpha in (("train_loss", "--", 0.55), ("val_loss", "-", 0.9)):
            points = run.curves[name]
            epochs, values = [epoch for epoch, _ in points], [value for _, value in points]
            mark = "." if len(points) == 1 else ""
            axes.plot(epochs, values, style, marker=mark, color=colour, alpha=alpha, lw=1.1)
    axes.set_title(each.title)
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def time_figure(found: Sequence[Configuration], seconds: Mapping[str, float]) -> Figure | None:
    """Test accuracy over training seconds, of runs (`seconds`, by id) whose times can be compared;
    None if there are none."""
    palette, drawn = colours(found), set()
    with drawing(6.2, 3.1) as canvas:
        axes = canvas.subplots()
        for each in found:
            points = [
                (seconds[run.id], run.metrics["test_accuracy"])
                for run in each.answered
                if run.id in seconds
            ]
            if points:
                axes.plot(
                    *zip(*points, strict=True),
                    linestyle="",
                    marker=MARKERS.get(each.model, "P"),
                    color=palette[each.label],
                    label=None if each.label in drawn else each.label,
                )
                drawn.add(each.label)
        if not drawn:
            return None
        axes.set_xscale("log")
        axes.set_xlabel("training time (seconds, logarithmic)")
        axes.set_ylabel("test accuracy")
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
        text = f"A point a run, of {', '.join(sorted(drawn))}."
        return finished(canvas, "time", "Test accuracy over training time", text)


def gradient_figure(
    flows: Mapping[str, tuple[str, Mapping[str, Sequence[float]]]], palette: Mapping[str, str]
) -> Figure:
    """Gradient norms over the steps back from the end, before training and with the evaluated
    weights; `flows` by label: model, and columns steps_back, initial and trained."""
    with drawing(6.8, 2.9) as canvas:
        grid = canvas.subplots(1, 2, sharey=True)
        for axes, when in zip(grid, ("initial", "trained"), strict=True):
            for label, (_, flow) in flows.items():
                axes.plot(flow["steps_back"], flow[when], color=palette[label], label=label, lw=1.3)
            axes.set_yscale("log")
            axes.set_xlabel("steps back from the end")
            axes.set_title("before training" if when == "initial" else "evaluated weights")
        grid[0].set_ylabel("gradient norm (mean over articles)")
        grid[1].legend(loc="center left", bbox_to_anchor=(1, 0.5))
        text = (
            "Mean norm of the gradient of an article's loss with respect to the hidden state, "
            f"over steps back from the article's end, for {', '.join(flows)}."
        )
        return finished(canvas, "gradients", "Gradient flow", text)


def distance_figure(
    points: Mapping[str, Sequence[tuple[float, Estimate]]], palette: Mapping[str, str]
) -> Figure:
    """Test accuracy over the distance of the demo corpus's cue; `points` by label."""
    with drawing(6.2, 3.0) as canvas:
        axes = canvas.subplots()
        for label, found in points.items():
            xs, ys = [x for x, _ in found], [estimate.value for _, estimate in found]
            axes.plot(xs, ys, "o-", color=palette[label], label=label, ms=4, lw=1.3)
            spans = [(x, e.low, e.high) for x, e in found if math.isfinite(e.low)]
            if spans:
                axes.vlines(*zip(*spans, strict=True), color=palette[label], lw=1.5, alpha=0.7)
        axes.set_xscale("log")
        ticks = sorted({x for found in points.values() for x, _ in found})
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
        axes.set_xlabel("most words between the cue and the end (logarithmic)")
        axes.set_ylabel("test accuracy")
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
        said = "; ".join(
            f"{label}: " + ", ".join(f"{estimate.value:.3f} at {x:g}" for x, estimate in found)
            for label, found in points.items()
        )
        return finished(canvas, "distance", "Accuracy over the distance of the cue", f"{said}.")

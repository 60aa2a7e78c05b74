"""The report's figures."""

import math
from collections.abc import Mapping, Sequence
from itertools import chain, cycle

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MaxNLocator

from rnn_bench.report.configurations import Configuration
from rnn_bench.report.drawing import WIDE, Figure, drawn, folded, legend, logarithmic, panels
from rnn_bench.report.palette import INK, marker
from rnn_bench.report.statistics import Estimate

HIGHEST_LOSS = 3.0  # nats; four times that of guessing between two classes


def accuracy_figure(
    found: Sequence[Configuration], estimates: Mapping[str, Estimate], palette: Mapping[str, str]
) -> Figure:
    """Test accuracy of each configuration with its interval (`estimates`, by key), and each
    seed."""
    order = [*found][::-1]
    several = len({each.corpus for each in found}) > 1
    names = [each.title if several else each.label for each in order]

    def draw(width: float) -> Canvas:
        canvas = Canvas(figsize=(width, 0.7 + 0.3 * len(order)))
        axes = canvas.subplots()
        for place, each in enumerate(order):
            colour, estimate = palette[each.label], estimates[each.key]
            if math.isfinite(estimate.low):
                axes.plot([estimate.low, estimate.high], [place] * 2, color=colour, lw=2)
            seeds = each.values("test_accuracy")
            axes.plot(seeds, [place] * len(seeds), "|", color=colour, ms=9, alpha=0.6)
            axes.plot([estimate.value], [place], marker(each.model), color=colour, ms=6)
        axes.set_yticks(range(len(order)), [folded(name, max(0.36 * width, 1.4)) for name in names])
        axes.set_ylim(-0.6, len(order) - 0.4)
        axes.set_xlabel("test accuracy (share of articles)")
        axes.xaxis.set_major_locator(MaxNLocator(int(width * 1.2)))
        axes.grid(visible=False, axis="y")
        return canvas

    said = "; ".join(f"{each.title} {estimates[each.key].value:.4f}" for each in found)
    text = f"Means with 95 % intervals, and each seed as a tick: {said}."
    return drawn("accuracy", "Test accuracy", text, draw)


def loss_figure(found: Sequence[Configuration], palette: Mapping[str, str]) -> Figure | None:
    """Small multiples of the losses by epoch, a line a seed; None if nothing has epochs."""
    shown = [each for each in found if any(len(run.curves["val_loss"]) > 1 for run in each.runs)]
    if not shown:
        return None
    several = len({each.corpus for each in found}) > 1
    losses = [
        value
        for each in shown
        for run in each.runs
        for _, value in chain(*run.curves.values())
        if math.isfinite(value)
    ]
    highest = max(losses, default=1.0)

    def draw(width: float) -> Canvas:
        canvas, grid, own = panels(len(shown), width, 1.8, sharex=True, sharey=True)
        for axes, each in zip(grid, shown, strict=True):
            draw_losses(axes, each, palette[each.label])
            axes.set_title(folded(each.title if several else each.label, own - 0.2))
        grid[0].set_ylim(0, 1.05 * min(highest, HIGHEST_LOSS))
        canvas.supxlabel("epoch", fontsize=9)
        canvas.supylabel("loss (nats)", fontsize=9)
        legend(canvas, grid, width)
        return canvas

    text = "Training loss dashed, validation loss solid, a line a seed, for "
    text += "; ".join(each.title for each in shown)
    if highest > HIGHEST_LOSS:
        text += f". Losses above {HIGHEST_LOSS:g} are cut off"
    return drawn("losses", "Training and validation loss by epoch", f"{text}.", draw)


def draw_losses(axes: Axes, each: Configuration, colour: str) -> None:
    for name, style, alpha in (("train_loss", "--", 0.55), ("val_loss", "-", 0.9)):
        words = "training" if name == "train_loss" else "validation"
        axes.plot([], [], style, color=INK, alpha=alpha, lw=1.1, label=words)
        for run in each.runs:
            points = run.curves[name]
            epochs, values = [epoch for epoch, _ in points], [value for _, value in points]
            mark = "." if len(points) == 1 else ""
            axes.plot(epochs, values, style, marker=mark, color=colour, alpha=alpha, lw=1.1)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))


def time_figure(
    found: Sequence[Configuration], seconds: Mapping[str, float], palette: Mapping[str, str]
) -> Figure | None:
    """Test accuracy over training seconds by corpus, of runs (`seconds`, by id) whose times can be
    compared; None if there are none."""
    points: dict[str, list[tuple[Configuration, list[tuple[float, float]]]]] = {}
    for each in found:
        timed = [
            (seconds[run.id], run.metrics["test_accuracy"])
            for run in each.answered
            if run.id in seconds
        ]
        if timed:
            points.setdefault(each.corpus, []).append((each, timed))
    if not points:
        return None
    all_seconds = [
        max(x, 1e-6) for of_corpus in points.values() for _, timed in of_corpus for x, _ in timed
    ]

    def draw(width: float) -> Canvas:
        canvas, grid, own = panels(len(points), width, 2.3, sharex=True, sharey=True)
        for axes, (corpus, of_corpus) in zip(grid, points.items(), strict=True):
            for each, timed in of_corpus:
                axes.plot(
                    *zip(*timed, strict=True),
                    linestyle="",
                    marker=marker(each.model),
                    ms=5,
                    alpha=0.8,
                    color=palette[each.label],
                    label=each.label,
                )
            logarithmic(axes, all_seconds)
            if len(points) > 1:
                axes.set_title(folded(corpus, own - 0.2))
        canvas.supxlabel("training time (seconds, logarithmic)", fontsize=9)
        canvas.supylabel("test accuracy", fontsize=9)
        legend(canvas, grid, width)
        return canvas

    labels = dict.fromkeys(each.label for of_corpus in points.values() for each, _ in of_corpus)
    text = f"A point a run, of {', '.join(labels)}, on {', '.join(points)}."
    return drawn("time", "Test accuracy over training time", text, draw)


def gradient_figure(
    corpus: str,
    place: int,
    flows: Mapping[str, Mapping[str, Sequence[float]]],
    palette: Mapping[str, str],
) -> Figure:
    """Gradient norms over the steps back from the end, before training and with the evaluated
    weights; `flows` by label: columns steps_back, initial and trained."""

    def draw(width: float) -> Canvas:
        columns = 2 if width == WIDE else 1
        canvas = Canvas(figsize=(width, 3.0 if columns == 2 else 5.0))
        shape = 2 // columns, columns
        grid = canvas.subplots(*shape, sharex=True, sharey=True, squeeze=False).ravel()
        for axes, when in zip(grid, ("initial", "trained"), strict=True):
            lines = cycle(("-", "--", "-."))
            for (label, flow), line in zip(flows.items(), lines, strict=False):
                axes.plot(
                    *(flow["steps_back"], flow[when], line),
                    color=palette[label],
                    label=label,
                    lw=1.3,
                )
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter("{x:g}")
            axes.set_title("before training" if when == "initial" else "evaluated weights")
        canvas.supxlabel("steps back from the end (tokens)", fontsize=9)
        canvas.supylabel("gradient norm (mean over articles)", fontsize=9)
        legend(canvas, [*grid], width)
        return canvas

    text = (
        "Mean norm of the gradient of an article's loss with respect to the hidden state, "
        f"over steps back from the article's end, for {', '.join(flows)}."
    )
    return drawn(f"gradients-{place}", f"Gradient flow on {corpus}", text, draw)


def distance_figure(
    points: Mapping[str, Sequence[tuple[float, Estimate]]], palette: Mapping[str, str]
) -> Figure:
    """Test accuracy over the distance of the demo corpus's cue; `points` by label."""

    def draw(width: float) -> Canvas:
        canvas = Canvas(figsize=(width, 3.1))
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
        axes.set_xlabel(folded("most words between cue and end (logarithmic)", width - 0.8))
        axes.set_ylabel("test accuracy")
        legend(canvas, [axes], width)
        return canvas

    said = "; ".join(
        f"{label}: " + ", ".join(f"{estimate.value:.3f} at {x:g}" for x, estimate in found)
        for label, found in points.items()
    )
    return drawn("distance", "Accuracy over the distance of the cue", f"{said}.", draw)

"""Drawing the report's figures."""

import math
from collections.abc import Mapping, Sequence
from itertools import chain, cycle
from statistics import mean
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MaxNLocator

from rnn_bench.config.search import Domain, Interval
from rnn_bench.evaluation.gradient_flow import BY_INPUT, BY_STATE, INITIAL, REACH, TRAINED
from rnn_bench.report.analysis import Results
from rnn_bench.report.configurations import Configuration
from rnn_bench.report.distances import Distance, value_of
from rnn_bench.report.drawing import (
    WIDE,
    Figure,
    add_legend,
    draw_figure,
    fold_text,
    make_panels,
    use_logarithmic_x,
)
from rnn_bench.report.palette import INK, marker
from rnn_bench.report.statistics import Estimate
from rnn_bench.tracking import schema

LOWEST_NORM = 1e-12  # shares of the last token's; below it all is far away
LETTERS = 11  # that fit into an inch of tick labels, with their gaps
HIGHEST_LOSS = 3.0  # nats; four times that of guessing between two classes


def draw_accuracies(results: Results) -> Figure:
    """Draw the test accuracy of each configuration with its interval, and of each seed."""
    order = results.ordered[::-1]
    several = len(results.corpora) > 1
    names = [each.title if several else each.label for each in order]
    corpora = results.corpora[::-1]
    rows = [row + 0.6 * corpora.index(each.corpus) for row, each in enumerate(order)]

    def draw(width: float) -> Canvas:
        canvas = Canvas(figsize=(width, 0.7 + 0.3 * (rows[-1] + 1)))
        axes = canvas.subplots()
        for row, each in zip(rows, order, strict=True):
            colour, estimate = results.palette[each.label], results.accuracies[each.key]
            if estimate.has_interval:
                axes.plot([estimate.low, estimate.high], [row] * 2, color=colour, lw=2)
            seeds = results.values(each, schema.TEST_ACCURACY)
            below = [row - 0.22] * len(seeds)
            axes.plot(seeds, below, "o", color=colour, ms=3, alpha=0.6, mew=0)
            axes.plot([estimate.value], [row], marker(each.model), color=colour, ms=6)
        axes.set_yticks(rows, [fold_text(name, max(0.36 * width, 1.4)) for name in names])
        axes.set_ylim(-0.6, rows[-1] + 0.6)
        axes.set_xlabel("test accuracy (share of articles)")
        axes.xaxis.set_major_locator(MaxNLocator(int(width * 1.2), steps=[1, 2, 5, 10]))
        axes.grid(visible=False, axis="y")
        return canvas

    values = "; ".join(
        f"{each.title} {results.accuracies[each.key].value:.4f}" for each in results.ordered
    )
    text = f"Mean test accuracy of each model: {values}."
    title = "Test accuracy: mean (symbol), 95 % interval (line), each run (point below)"
    return draw_figure("accuracy", title, text, draw)


def draw_losses(results: Results) -> Figure | None:
    """Draw the losses by epoch, a panel a configuration and a line a seed; None if no run has
    two epochs."""
    shown = [each for each in results.ordered if any(len(run.val_losses) > 1 for run in each.runs)]
    if not shown:
        return None
    several = len(results.corpora) > 1
    losses = [
        value
        for each in shown
        for run in each.runs
        for value in chain(run.train_losses.values(), run.val_losses.values())
        if math.isfinite(value)
    ]
    highest = max(losses, default=1.0)

    def draw(width: float) -> Canvas:
        canvas, grid, own = make_panels(len(shown), width, 1.8, sharex=True, sharey=True)
        for axes, each in zip(grid, shown, strict=True):
            plot_losses(axes, each, results.palette[each.label])
            axes.set_title(fold_text(each.title if several else each.label, own - 0.2))
        grid[0].set_ylim(0, 1.05 * min(highest, HIGHEST_LOSS))
        canvas.supxlabel("epoch", fontsize=9)
        canvas.supylabel("loss (nats)", fontsize=9)
        add_legend(canvas, grid, width)
        return canvas

    title = "Training loss (dashed) and validation loss (solid) by epoch, one line per seed"
    if highest > HIGHEST_LOSS:
        title += f"; the axis ends at {HIGHEST_LOSS:g} nats"
    text = f"Losses by epoch of {'; '.join(each.title for each in shown)}."
    return draw_figure("losses", title, text, draw)


def plot_losses(axes: Axes, each: Configuration, colour: str) -> None:
    for name, style, alpha in (("training", "--", 0.55), ("validation", "-", 0.9)):
        axes.plot([], [], style, color=INK, alpha=alpha, lw=1.1, label=name)
        for run in each.runs:
            losses = run.train_losses if name == "training" else run.val_losses
            epochs, values = [*losses.keys()], [*losses.values()]
            mark = "." if len(losses) == 1 else ""
            axes.plot(epochs, values, style, marker=mark, color=colour, alpha=alpha, lw=1.1)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))


def draw_times(results: Results, seconds: Mapping[str, float]) -> Figure | None:
    """Draw test accuracy over training time (`seconds`, by run id), a panel a corpus and a point
    a run; None if there are no times."""
    points: dict[str, list[tuple[Configuration, list[tuple[float, float]]]]] = {}
    for each in results.ordered:
        timed = [
            (seconds[run.id], results.metric(run, schema.TEST_ACCURACY))
            for run in each.completed
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
        canvas, grid, own = make_panels(len(points), width, 2.3, sharex=True, sharey=True)
        for axes, (corpus, of_corpus) in zip(grid, points.items(), strict=True):
            for each, timed in of_corpus:
                axes.plot(
                    *zip(*timed, strict=True),
                    linestyle="",
                    marker=marker(each.model),
                    ms=5,
                    alpha=0.8,
                    color=results.palette[each.label],
                    label=each.label,
                )
            use_logarithmic_x(axes, all_seconds)
            if len(points) > 1:
                axes.set_title(fold_text(corpus, own - 0.2))
        canvas.supxlabel("training time (seconds, logarithmic)", fontsize=9)
        canvas.supylabel("test accuracy", fontsize=9)
        add_legend(canvas, grid, width)
        return canvas

    labels = dict.fromkeys(each.label for of_corpus in points.values() for each, _ in of_corpus)
    text = f"Runs of {', '.join(labels)} on {', '.join(points)}."
    title = "Test accuracy over training time, one point per run"
    return draw_figure("time", title, text, draw)


def draw_gradient_flow(
    name: str,
    corpus: str,
    flows: Mapping[str, Sequence[pd.DataFrame]],
    palette: Mapping[str, str],
) -> Figure:
    """Draw gradient norms over the steps back from the end, by input and by state, before and after
    training; `flows` has the table of each seed by label."""
    shown = [
        (when, by)
        for by in (BY_INPUT, BY_STATE)
        for when in (INITIAL, TRAINED)
        if any(f"{when}_{by}" in table for tables in flows.values() for table in tables)
    ]

    def draw(width: float) -> Canvas:
        columns = 2 if width == WIDE else 1
        rows = len(shown) // columns
        canvas = Canvas(figsize=(width, 0.8 + 2.1 * rows))
        grid = canvas.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
        for axes, (when, by) in zip(grid, shown, strict=True):
            plot_gradient_flow(axes, flows, f"{when}_{by}", palette)
            axes.set_title(f"by {by}, {'before' if when == INITIAL else 'after'} training")
        grid[0].set_yscale("log")
        drawn = [y for axes in grid for line in axes.lines for y in line.get_ydata()]
        grid[0].set_ylim(LOWEST_NORM, 3 * max(y for y in drawn if math.isfinite(y)))
        grid[0].yaxis.set_major_formatter("{x:g}")
        canvas.supxlabel("steps back from the end (tokens)", fontsize=9)
        canvas.supylabel("gradient norm (share of that at the last token)", fontsize=9)
        add_legend(canvas, [*grid], width)
        return canvas

    text = (
        "Norm of the gradient of an article's loss with respect to the input and the state, over "
        f"steps back from the article's end, for {', '.join(flows)}."
    )
    title = (
        f"Gradient flow on {corpus}, one line per seed; dotted: 1 %. The axis ends at "
        f"{LOWEST_NORM:g}"
    )
    return draw_figure(name, title, text, draw)


def plot_gradient_flow(
    axes: Axes,
    flows: Mapping[str, Sequence[pd.DataFrame]],
    column: str,
    palette: Mapping[str, str],
) -> None:
    for (label, tables), line in zip(flows.items(), cycle(("-", "--", "-.")), strict=False):
        axes.plot([], [], line, color=palette[label], label=label, lw=1.3)
        for table in tables:
            if column in table and table[column][0] > 0:
                shares = table[column] / table[column][0]
                axes.plot(
                    table["steps_back"], shares, line, color=palette[label], lw=1.1, alpha=0.8
                )
    axes.axhline(REACH, color=INK, ls=":", lw=0.8)


def draw_search(
    corpus: str, expected: Mapping[str, Sequence[float]], palette: Mapping[str, str], figure: str
) -> Figure:
    """Draw the expected best validation `figure` over the number of trials, by label."""

    def draw(width: float) -> Canvas:
        canvas = Canvas(figsize=(width, 3.1))
        axes = canvas.subplots()
        for label, values in expected.items():
            colour = palette.get(label, INK)
            axes.plot(range(1, len(values) + 1), values, ".-", color=colour, label=label, lw=1.3)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.set_xlabel("trials")
        axes.set_ylabel(f"expected best {figure}")
        add_legend(canvas, [axes], width)
        return canvas

    values = "; ".join(f"{label} {found[-1]:.4f}" for label, found in expected.items())
    title = f"Expected best {figure} over the number of trials, on {corpus}"
    return draw_figure(f"search-{corpus}", title, f"After all trials: {values}.", draw)


def draw_settings(
    space: Mapping[str, Domain], trials: Sequence[tuple[Mapping[str, Any], float]]
) -> Figure:
    """Draw the mean rank of each trial over its value of each key of `space`; `trials` are values
    by key with the mean rank."""
    ys = [rank for _, rank in trials]

    def draw(width: float) -> Canvas:
        canvas, panels, panel_width = make_panels(len(space), width, 1.9, sharey=True)
        for axes, (key, domain) in zip(panels, space.items(), strict=True):
            xs = [values[key] for values, _ in trials]
            if isinstance(domain, Interval):
                if domain.log:
                    use_logarithmic_x(axes, xs)
                else:
                    axes.xaxis.set_major_locator(MaxNLocator(4))
            else:
                xs = [domain.values.index(value) for value in xs]
                names = [*map(str, domain.values)]
                is_tight = max(map(len, names)) * len(names) > LETTERS * panel_width
                slant: dict[str, Any] = {"rotation": 25, "ha": "right", "rotation_mode": "anchor"}
                axes.set_xticks(range(len(names)), names, **(slant if is_tight else {}))
                axes.set_xlim(-0.5, len(domain.values) - 0.5)
                for place in range(len(domain.values)):
                    own = [y for x, y in zip(xs, ys, strict=True) if x == place]
                    if own:
                        axes.hlines(mean(own), place - 0.3, place + 0.3, color=INK, lw=1.2)
            axes.plot(xs, ys, "o", color=INK, ms=3, alpha=0.5, mew=0)
            axes.set_xlabel(fold_text(key.partition(".")[2] or key, panel_width - 0.3))
        for axes in panels[:: round(width / panel_width)]:
            axes.set_ylabel("mean rank")
        return canvas

    values, rank = min(trials, key=lambda each: each[1])
    settings = ", ".join(f"{key} {values[key]}" for key in space)
    text = f"Of {len(trials)} trials the best mean rank is {rank:.1f}, with {settings}."
    title = "Mean rank of each trial in the first stage by its settings (lines: means)"
    return draw_figure("settings", title, text, draw)


def draw_distances(
    results: Results, distance: Distance, points: Mapping[str, Sequence[tuple[float, Estimate]]]
) -> Figure:
    """Draw test accuracy over a distance of the demo corpus, and that of each seed; `points` by
    label."""
    palette = results.palette
    between = f"{distance.start} and {distance.end}"

    def draw(width: float) -> Canvas:
        canvas = Canvas(figsize=(width, 3.1))
        axes = canvas.subplots()
        for label, found in points.items():
            xs, ys = [x for x, _ in found], [estimate.value for _, estimate in found]
            axes.plot(xs, ys, "o-", color=palette[label], label=label, ms=4, lw=1.3)
            seeds = [
                (value_of(each, distance), accuracy)
                for each in results.compared
                if each.label == label
                for accuracy in results.values(each, schema.TEST_ACCURACY)
            ]
            axes.plot(*zip(*seeds, strict=True), "_", color=palette[label], ms=7, alpha=0.8)
            spans = [(x, e.low, e.high) for x, e in found if e.has_interval]
            if spans:
                axes.vlines(*zip(*spans, strict=True), color=palette[label], lw=1.5, alpha=0.7)
        axes.set_xscale("log")
        ticks = sorted({x for found in points.values() for x, _ in found})
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
        axes.set_xlabel(fold_text(f"most words between {between} (logarithmic)", width - 0.8))
        axes.set_ylabel("test accuracy")
        add_legend(canvas, [axes], width)
        return canvas

    values = "; ".join(
        f"{label}: " + ", ".join(f"{estimate.value:.3f} at {x:g}" for x, estimate in found)
        for label, found in points.items()
    )
    title = (
        f"Test accuracy by the words between {between}: mean (point), 95 % interval (line), "
        "each run (dash)"
    )
    return draw_figure("distance", title, f"{values}.", draw)

"""Drawing the figures that go across corpora: mean ranks and learning curves."""

from collections.abc import Mapping, Sequence
from math import log10

from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MaxNLocator

from rnn_bench.report.analysis import Results
from rnn_bench.report.contestants import name_colours
from rnn_bench.report.drawing import Figure, add_legend, draw_figure, fold_text, make_panels
from rnn_bench.report.learning import LearningCurve
from rnn_bench.report.palette import INK, marker
from rnn_bench.report.ranking import Ranking


def draw_ranks(
    rankings: Mapping[str, tuple[Sequence[str], Ranking]], palette: Mapping[str, str]
) -> Figure:
    """Draw the mean rank of each model, a row each, and a bar beside those that are not told
    apart; `rankings` has by title the models, by mean rank, and their ranking."""
    counts = [len(names) for names, _ in rankings.values()]

    def draw(width: float) -> Canvas:
        canvas = Canvas(figsize=(width, 0.4 + sum(0.75 + 0.27 * count for count in counts)))
        grid = canvas.subplots(
            len(rankings), squeeze=False, height_ratios=[count + 1 for count in counts]
        ).ravel()
        for axes, (title, (names, ranking)) in zip(grid, rankings.items(), strict=True):
            half = ranking.critical_difference / 2
            for row, (name, rank) in enumerate(zip(names, ranking.means, strict=True)):
                ends = max(1.0, rank - half), min(len(names), rank + half)
                axes.plot(ends, [row, row], color=palette[name], lw=2)
                axes.plot([rank], [row], "o", color=palette[name], ms=6)
            several = [group for group in ranking.groups if len(group) > 1]
            for number, group in enumerate(several):
                x = len(names) + 0.05 * (2 + number) * (len(names) - 1)
                rows = [group[0] - 0.2, group[-1] + 0.2]
                axes.plot([x, x], rows, color=INK, alpha=0.6, lw=3, solid_capstyle="butt")
            axes.set_yticks(
                range(len(names)), [fold_text(name, max(0.36 * width, 1.4)) for name in names]
            )
            axes.set_ylim(len(names) - 0.5, -0.5)
            step = 1 + len(names) // (2 * int(width))
            axes.set_xticks(range(1, len(names) + 1, step))
            axes.grid(visible=False, axis="y")
            if len(rankings) > 1:
                axes.set_title(fold_text(title, width - 1.5))
        grid[-1].set_xlabel("mean rank (1 is the best)")
        return canvas

    values = "; ".join(
        f"{name} {rank:.2f}"
        for names, ranking in rankings.values()
        for name, rank in zip(names, ranking.means, strict=True)
    )
    title = (
        "Mean rank of each model, with half of the critical difference to either side; the bars "
        "on the right join models that are not told apart"
    )
    return draw_figure("ranks", title, f"Mean ranks: {values}.", draw)


def draw_learning(results: Results, curves: Sequence[LearningCurve], metric: str) -> Figure:
    """Draw a metric over the share of the training articles, a panel a corpus and a line a
    model."""
    sizes = sorted({size for curve in curves for size in curve.sizes})
    decades = log10(sizes[-1] / sizes[0])

    def draw(width: float) -> Canvas:
        height = 2.8 if len(curves) == 1 else 2.1
        canvas, grid, own = make_panels(len(curves), width, height, sharex=True)
        for axes, curve in zip(grid, curves, strict=True):
            palette = name_colours(results, curve.models)
            for number, (name, by_corpus) in enumerate(curve.models.items()):
                colour, model = palette[name], next(iter(by_corpus.values())).model
                # Beside each other, so that intervals do not cover one another.
                shift = 10 ** (0.012 * decades * (number - (len(curve.models) - 1) / 2))
                points = {size * shift: each for size, each in curve.points(name).items()}
                values = [each.value for each in points.values()]
                axes.plot(
                    [*points],
                    values,
                    f"{marker(model)}-",
                    color=colour,
                    label=name,
                    ms=4,
                    lw=1.2,
                )
                for size, each in points.items():
                    if each.has_interval:
                        axes.plot([size] * 2, [each.low, each.high], color=colour, lw=1.3)
            axes.set_xscale("log")
            axes.yaxis.set_major_locator(MaxNLocator(5))
            if len(curves) > 1:
                axes.set_title(fold_text(curve.title, own - 0.2))
        ticks = spread_ticks(sizes, 0.45 * decades / own)
        for axes in grid:
            axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
            axes.minorticks_off()
        canvas.supxlabel("share of the training articles (logarithmic)", fontsize=9)
        canvas.supylabel(metric, fontsize=9)
        add_legend(canvas, grid, width)
        return canvas

    texts = [text for curve in curves for text in curve.overtakings]
    title = f"{metric[:1].upper()}{metric[1:]} over the share of the training articles, with 95 %"
    text = "; ".join(texts) or "No model is seen to overtake another"
    return draw_figure("learning", f"{title} intervals", f"{text}.", draw)


def spread_ticks(sizes: Sequence[float], gap: float) -> list[float]:
    """Return those of the sizes, from the largest on, that are so many decades apart."""
    ticks = [sizes[-1]]
    for size in sizes[-2::-1]:
        if log10(ticks[-1] / size) >= gap:
            ticks.append(size)
    return ticks[::-1]

"""Drawing what each model's certainty is worth."""

from collections.abc import Sequence
from itertools import zip_longest

from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MaxNLocator

from rnn_bench.report.certainty import CERTAIN, Certainty
from rnn_bench.report.drawing import Figure, add_legend, draw_figure, fold_text, make_panels
from rnn_bench.report.palette import INK, marker

MOST_PANELS = 9
MOST_LINES = 6  # of a panel, the best models


def draw_reliability(found: Sequence[Certainty], palette: dict[str, str]) -> Figure | None:
    """Draw the accuracy by certainty, a panel a model, the best ones of each corpus; None if every
    model is always equally certain."""
    by_corpus = group_by_corpus([each for each in found if each.varies])
    ranks = zip_longest(*by_corpus.values())  # the best of each corpus, then the second ones, ...
    chosen = [each for rank in ranks for each in rank if each is not None][:MOST_PANELS]
    shown = [each for each in found if each in chosen]
    if not shown:
        return None
    least = min(x for each in shown for x, _ in each.reliability)

    def draw(width: float) -> Canvas:
        canvas, grid, own = make_panels(len(shown), width, 1.9, sharex=True, sharey=True)
        for axes, each in zip(grid, shown, strict=True):
            model = each.configuration
            colour = palette[model.label]
            axes.plot([0, 1], [0, 1], "--", color=INK, alpha=0.5, lw=1)
            for x, accuracy in each.reliability:
                if accuracy.has_interval:
                    axes.plot([x, x], [accuracy.low, accuracy.high], color=colour, lw=1.5)
            xs, ys = [x for x, _ in each.reliability], [y.value for _, y in each.reliability]
            axes.plot(xs, ys, marker(model.model), color=colour, ms=4)
            name = model.title if len(by_corpus) > 1 else model.label
            axes.set_title(fold_text(name, own - 0.2))
            for axis in (axes.xaxis, axes.yaxis):
                axis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
        grid[0].set_xlim(least - 0.03, 1.03)
        grid[0].set_ylim(0, 1.05)
        canvas.supxlabel("certainty (probability of the predicted class)", fontsize=9)
        canvas.supylabel("accuracy", fontsize=9)
        return canvas

    title = "Accuracy by certainty, with 95 % intervals; on the dashed line a model is calibrated"
    if len(shown) < sum(map(len, by_corpus.values())):
        title += "; the best models"
    errors = "; ".join(f"{each.configuration.title} {each.error:.4f}" for each in shown)
    return draw_figure("reliability", title, f"Calibration error: {errors}.", draw)


def draw_selective(found: Sequence[Certainty], palette: dict[str, str]) -> Figure | None:
    """Draw the accuracy on the articles that a model is most certain of over their share, a panel
    a corpus and a line a model; None if every model is always equally certain."""
    by_corpus = group_by_corpus([each for each in found if each.varies])
    if not by_corpus:
        return None
    shown = {corpus: models[:MOST_LINES] for corpus, models in by_corpus.items()}

    def draw(width: float) -> Canvas:
        height = 2.6 if len(shown) == 1 else 2.0
        canvas, grid, own = make_panels(len(shown), width, height, sharex=True)
        for axes, (corpus, models) in zip(grid, shown.items(), strict=True):
            for each in models:
                model, colour = each.configuration, palette[each.configuration.label]
                axes.plot(each.shares, each.selective, color=colour, lw=1.3, label=model.label)
                x = each.answered.value
                if x >= each.shares[0]:
                    axes.plot([x, x], [each.right.low, each.right.high], color=colour, lw=1.5)
                    axes.plot([x], [each.right.value], marker(model.model), color=colour, ms=5)
            if len(shown) > 1:
                axes.set_title(fold_text(corpus, own - 0.2))
            axes.yaxis.set_major_locator(MaxNLocator(4))
        grid[0].set_xlim(0, 1.02)
        grid[0].set_xticks([0, 0.5, 1] if own < 2.5 else [0, 0.25, 0.5, 0.75, 1])
        canvas.supxlabel("share of articles that are answered, the most certain ones", fontsize=9)
        canvas.supylabel("accuracy on these", fontsize=9)
        add_legend(canvas, grid, width)
        return canvas

    title = (
        f"Accuracy on the articles that a model is most certain of; symbol: at {CERTAIN} certainty "
        "and above, with its 95 % interval"
    )
    if any(len(models) > MOST_LINES for models in by_corpus.values()):
        title += f"; the best {MOST_LINES} models of a corpus"
    values = "; ".join(
        f"{each.configuration.title} {each.right.value:.3f} of {each.answered.value:.3f}"
        for models in shown.values()
        for each in models
        if each.answered.value >= each.shares[0]
    )
    text = f"Accuracy and share of articles at {CERTAIN} certainty and above: {values}."
    return draw_figure("selective", title, text, draw)


def group_by_corpus(found: Sequence[Certainty]) -> dict[str, list[Certainty]]:
    groups: dict[str, list[Certainty]] = {}
    for each in found:
        groups.setdefault(each.configuration.corpus, []).append(each)
    return groups

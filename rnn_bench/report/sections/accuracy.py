"""The section on the test accuracy of every model."""

from collections.abc import Sequence
from math import isnan
from statistics import fmean

from rnn_bench.evaluation.metrics import METRICS, Metric, title_of
from rnn_bench.report.analysis import Results
from rnn_bench.report.configurations import Configuration
from rnn_bench.report.contents import Section, Table
from rnn_bench.report.figures import draw_accuracies
from rnn_bench.report.formatting import format_interval, format_mean, format_number
from rnn_bench.report.outcomes import FEWEST_SEEDS
from rnn_bench.tracking import schema

OF_LOSS = "That of the loss is Student's t of its logarithm. "
MOST_KINDS = 4  # of what intervals cover, in a sentence


def accuracy_section(results: Results) -> Section | None:
    if not results.compared:
        return None
    primary = results.sweep.primary_metric
    others = [
        name
        for name, metric in METRICS.items()
        if name not in (schema.TEST_ACCURACY, primary) and not metric.by_class
    ]
    ranked_by = [] if results.ranks_by_accuracy else [title_of(primary), "its 95 % interval"]
    rows = []
    for each in results.ordered:
        estimate, chance = results.accuracies[each.key], results.chance(each.corpus)
        rows.append(
            (
                each.corpus,
                each.label + (f" ({each.diverged} diverged)" if each.diverged else ""),
                format_number(estimate.value),
                format_interval(estimate),
                format_number(chance),
                *(_ranked_by(results, each) if ranked_by else ()),
                *(_mean(results.values(each, name), METRICS[name]) for name in others),
                format_mean(results.values(each, schema.BEST_EPOCH), 1),
                each.seeds,
                count_learned(each),
            )
        )
    table = Table(
        "accuracy",
        "Test accuracy",
        (
            *("corpus", "model", "test accuracy", "95 % interval", "chance", *ranked_by),
            *(METRICS[name].label for name in others),
            *("best epoch", "seeds", "learned"),
        ),
        rows,
        words=2,
        note=f"Means over seeds, the best {title_of(primary)} first. {describe_intervals(results)} "
        f"{OF_LOSS if results.ranks_by_loss else ''}"
        "Chance is the share of the largest class of the test articles. Loss is in nats; best "
        "epoch is the one with the lowest validation loss; learned counts the runs in which a "
        "network beat the best constant prediction on validation by more than chance.",
    )
    figures = [draw_accuracies(results)]
    return Section("accuracy", "Test accuracy", tables=[table], figures=figures)


def _ranked_by(results: Results, each: Configuration) -> tuple[str, str]:
    """Return the primary metric of a configuration, with its interval."""
    estimate = results.primary[each.key]
    return format_number(estimate.value), format_interval(estimate)


def _mean(values: Sequence[float], metric: Metric) -> str:
    """Return a metric's mean over runs; of a loss nothing where that of a run is not finite, since
    the others alone would look better than the model is."""
    return format_number(fmean(values)) if metric.is_loss else format_mean(values)


def describe_intervals(results: Results) -> str:
    """Return how the intervals of accuracies were computed, and what they leave out."""
    found = [results.accuracies[each.key] for each in results.compared]
    kinds = [*dict.fromkeys(each.over for each in found if each.has_interval)]
    if not kinds:
        return "There are no intervals, because predictions are missing."
    several = "the seeds and test articles, or the splits, of each corpus"
    covers = ", or over ".join(kinds) if len(kinds) <= MOST_KINDS else several
    words = f"95 % interval: Wilson's with the effective size of the standard error, over {covers}"
    few = any(each.of_models for each in found)
    models = f"; with fewer than {FEWEST_SEEDS} seeds it is of the trained models" if few else ""
    splits = any(each.splits.keys() - {""} for each in results.compared)
    return f"{words}{models}." + ("" if splits else " Other splits of the corpus may differ.")


def count_learned(configuration: Configuration) -> str:
    """Return `1 of 3` runs in which a network learned; empty where that was not recorded."""
    runs = configuration.completed
    epochs = [run.tag_number(schema.LEARNED_EPOCH) for run in runs]
    learned = sum(epoch > 0 for epoch in epochs)
    return "" if any(map(isnan, epochs)) else f"{learned} of {len(runs)}"

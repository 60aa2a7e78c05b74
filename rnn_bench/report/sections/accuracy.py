"""The section on the test accuracy of every model."""

from math import isnan

from rnn_bench.evaluation.metrics import METRICS
from rnn_bench.report.analysis import Results
from rnn_bench.report.configurations import Configuration
from rnn_bench.report.contents import Section, Table
from rnn_bench.report.figures import draw_accuracies
from rnn_bench.report.formatting import format_interval, format_mean, format_number
from rnn_bench.tracking import schema


def accuracy_section(results: Results) -> Section | None:
    if not results.compared:
        return None
    others = [
        name
        for name, metric in METRICS.items()
        if name != schema.TEST_ACCURACY and not metric.by_class
    ]
    rows = []
    for each in results.compared:
        estimate = results.accuracies[each.key]
        diverged = sum(run.state == schema.DIVERGED for run in each.completed)
        rows.append(
            (
                each.corpus,
                each.label + (f" ({diverged} diverged)" if diverged else ""),
                format_number(estimate.value),
                format_interval(estimate),
                *(format_mean(results.values(each, name)) for name in others),
                format_mean(results.values(each, schema.TEST_LOSS)),
                format_mean(results.values(each, schema.BEST_EPOCH), 1),
                str(len(each.completed)),
                count_learned(each),
            )
        )
    methods = dict.fromkeys(results.accuracies[each.key].method for each in results.compared)
    table = Table(
        "accuracy",
        "Test accuracy",
        (
            *("corpus", "model", "test accuracy", "95 % interval"),
            *(METRICS[name].label for name in others),
            *("test loss", "best epoch", "seeds", "learned"),
        ),
        rows,
        words=2,
        note="Means over seeds. Test loss is in nats; best epoch is the one with the lowest "
        "validation loss; learned counts the seeds with which a network beat the best constant "
        "prediction on validation by more than chance. 95 % confidence interval: "
        f"{'; '.join(methods)}. All runs of a corpus use the same split, so the intervals do not "
        "show what another split would change.",
    )
    figures = [draw_accuracies(results)]
    return Section("accuracy", "Test accuracy", tables=[table], figures=figures)


def count_learned(configuration: Configuration) -> str:
    """Return `1 of 3` seeds with which a network learned; empty where that was not recorded."""
    runs = configuration.completed
    epochs = [run.tag_number(schema.LEARNED_EPOCH) for run in runs]
    learned = sum(epoch > 0 for epoch in epochs)
    return "" if any(map(isnan, epochs)) else f"{learned} of {len(runs)}"

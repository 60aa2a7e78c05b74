"""The section on how well each class is found."""

from dataclasses import replace
from statistics import mean

import numpy as np

from rnn_bench.evaluation.metrics import METRICS, all_article_values, all_counted_articles
from rnn_bench.report.analysis import Results
from rnn_bench.report.configurations import Configuration
from rnn_bench.report.contents import Section, Table
from rnn_bench.report.formatting import format_estimate
from rnn_bench.report.statistics import Estimate, estimate

MANY = 30  # rows, beyond which the table is folded away


def classes_section(results: Results) -> Section | None:
    metrics = {name: metric.label for name, metric in METRICS.items() if metric.by_class}
    rows = []
    for each in results.ordered:
        if each.key not in results.outcomes:
            continue
        first = results.predictions[each.completed[0].id]
        by_metric = [class_estimates(results, each, name) for name in metrics]
        labels = np.concatenate(results.outcomes[each.key].labels)
        counts = np.bincount(labels, minlength=len(first.classes))
        for name, count, *found in zip(first.classes, counts, *by_metric, strict=True):
            cells = [format_estimate(each) for each in found]
            rows.append((each.corpus, each.label, name, *cells, f"{count:,}", each.seeds))
    if not rows:
        return None
    table = Table(
        "classes",
        "Precision, recall and F1 of each class",
        ("corpus", "model", "class", *metrics.values(), "test articles", "seeds"),
        rows,
        words=3,
        note="Means over seeds, computed from the stored predictions, the best model first. "
        "Brackets: 95 % interval, of the same error model as that of accuracy; there is none where "
        "a class was never predicted. Precision: the share of the articles predicted as the class "
        "that have its label. Recall: the share of the articles with its label that are predicted "
        "as it. F1: their harmonic mean.",
    )
    return Section("classes", "Each class", tables=[table], folded=len(rows) > MANY)


def class_estimates(results: Results, each: Configuration, metric: str) -> list[Estimate]:
    """Return a metric of each class with its interval, the values of all classes computed at
    once."""
    runs = [[results.predictions[run.id] for run in split] for split in each.splits.values()]
    values = [np.stack([all_article_values(run, metric) for run in split]) for split in runs]
    counts = [[all_counted_articles(run, metric).tolist() for run in split] for split in runs]
    return [
        estimate(
            replace(
                results.outcomes[each.key],
                splits=tuple(of_split[:, number] for of_split in values),
                counted=sum(mean(count[number] for count in split) for split in counts),
            )
        )
        for number in range(values[0].shape[1])
    ]

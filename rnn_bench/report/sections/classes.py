"""The section on how well each class is found."""

import numpy as np

from rnn_bench.evaluation.metrics import METRICS
from rnn_bench.report.analysis import Results
from rnn_bench.report.contents import Section, Table
from rnn_bench.report.formatting import format_number

MANY = 30  # rows, beyond which the table is folded away


def classes_section(results: Results) -> Section | None:
    metrics = [metric for metric in METRICS.values() if metric.by_class]
    rows = []
    for each in results.ordered:
        found = [results.predictions[r.id] for r in each.completed if r.id in results.predictions]
        if not found:
            continue
        counts = np.bincount(found[0].labels, minlength=len(found[0].classes))
        means = [np.mean([metric.compute(each) for each in found], axis=0) for metric in metrics]
        for number, name in enumerate(found[0].classes):
            cells = [format_number(float(mean[number])) for mean in means]
            rows.append(
                (each.corpus, each.label, name, *cells, f"{counts[number]:,}", str(len(found)))
            )
    if not rows:
        return None
    table = Table(
        "classes",
        "Precision, recall and F1 of each class",
        (
            *("corpus", "model", "class"),
            *(metric.label for metric in metrics),
            *("test articles", "seeds"),
        ),
        rows,
        words=3,
        note="Means over seeds, computed from the stored predictions. Precision: the share of the "
        "articles predicted as the class that have its label. Recall: the share of the articles "
        "with its label that are predicted as it. F1: their harmonic mean.",
    )
    return Section("classes", "Each class", tables=[table], folded=len(rows) > MANY)

"""The section on ROC AUC, unshared articles and confusion matrices of the stored predictions."""

import numpy as np

from rnn_bench.config.errors import format_ends
from rnn_bench.evaluation.predictions import PredictionScores
from rnn_bench.report.analysis import Results
from rnn_bench.report.configurations import Configuration
from rnn_bench.report.contents import Section, Table
from rnn_bench.report.formatting import format_mean
from rnn_bench.tracking import schema

Found = list[tuple[Configuration, list[PredictionScores], list[float]]]


def predictions_section(results: Results) -> Section | None:
    found: Found = []
    for each in results.ordered:
        runs = [run for run in each.completed if run.id in results.scores]
        if runs:
            accuracies = [results.metric(run, schema.TEST_ACCURACY) for run in runs]
            found.append((each, [results.scores[run.id] for run in runs], accuracies))
    if not found:
        return None
    tables = [scores_table(found), confusion_table(found)]
    return Section("evaluation", "Beyond accuracy", tables=tables, folded=True)


def scores_table(found: Found) -> Table:
    rows = [
        (
            configuration.corpus,
            configuration.label,
            format_mean([each.roc_auc for each in scores]),
            format_mean(accuracies),
            format_mean([each.unshared_accuracy for each in scores]),
            format_ends(each.unshared_articles for each in scores),
            str(len(scores)),
        )
        for configuration, scores, accuracies in found
    ]
    return Table(
        "evaluation",
        "Beyond accuracy",
        (
            *("corpus", "model", "ROC AUC", "accuracy"),
            *("accuracy on unshared", "unshared articles", "seeds"),
        ),
        rows,
        words=2,
        note="Means over seeds, computed from the stored predictions. Unshared: the test articles "
        "whose text is not in the training file too; all of them if the corpus was not audited.",
    )


def confusion_table(found: Found) -> Table:
    """Return a row for each label of each configuration. Where corpora have different classes,
    columns are numbered."""
    named = list(dict.fromkeys(scores[0].classes for _, scores, _ in found))
    widest = max(map(len, named))
    predicted = named[0] if len(named) == 1 else range(1, widest + 1)
    rows = []
    for configuration, scores, _ in found:
        total = np.sum([each.confusion for each in scores], axis=0)
        for name, counts in zip(scores[0].classes, total, strict=True):
            cells = [f"{count:,}" for count in counts] + [""] * (widest - len(counts))
            rows.append((configuration.corpus, configuration.label, name, *cells))
    return Table(
        "confusion",
        "Confusion matrices, summed over seeds",
        ("corpus", "model", "label", *(f"predicted {name}" for name in predicted)),
        rows,
        words=3,
        note="Numbers of test articles by label and predicted class. Predicted classes are in the "
        "order of the labels.",
    )

"""The section on what stored predictions say beyond accuracy."""

import numpy as np

from rnn_bench.report.analysis import Results
from rnn_bench.report.contents import Section, Table
from rnn_bench.report.formatting import averaged


def evaluation_section(results: Results) -> Section | None:
    """What the stored predictions say beyond accuracy."""
    rows, confusions, named = [], [], set[tuple[str, ...]]()
    for each in results.compared:
        found = results.evaluations.get(each.key, [])
        if not found:
            continue
        rows.append(
            (
                each.corpus,
                each.label,
                averaged([one.roc_auc for one in found]),
                averaged([one.expected_calibration_error for one in found]),
                averaged([one.accuracy for one in found]),
                averaged([one.unshared_accuracy for one in found]),
                str(found[0].unshared_articles),
                str(len(found)),
            )
        )
        classes = tuple(found[0].classes)
        total = np.sum([one.confusion for one in found], axis=0)
        confusions += [
            (each.corpus, each.label, name, *(f"{count:,}" for count in total[place]))
            for place, name in enumerate(classes)
        ]
        named.add(classes)
    if not rows:
        return None
    widest = max(map(len, named))
    predicted = next(iter(named)) if len(named) == 1 else range(1, widest + 1)
    tables = [
        Table(
            "evaluation",
            "Beyond accuracy",
            (
                *("corpus", "model", "ROC AUC", "calibration error", "accuracy"),
                *("accuracy on unshared", "unshared articles", "seeds"),
            ),
            rows,
            words=2,
            note="Means over seeds, from the stored predictions. Calibration error: expected, 15 "
            "bins (Guo et al. 2017). Unshared: test articles whose text does not stand in the "
            "training file as well, as far as the audit knows.",
        ),
        Table(
            "confusion",
            "Confusion matrices, summed over seeds",
            ("corpus", "model", "label", *(f"predicted {name}" for name in predicted)),
            [(*row, *[""] * (widest + 3 - len(row))) for row in confusions],
            words=3,
            note="Predicted classes in the order of the labels.",
        ),
    ]
    return Section("evaluation", "Beyond accuracy", tables=tables, folded=True)

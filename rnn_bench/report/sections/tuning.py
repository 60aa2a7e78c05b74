"""The section on how configurations were chosen."""

from rnn_bench.report.analysis import Results
from rnn_bench.report.contents import Section, Table
from rnn_bench.report.formatting import digits


def tuning_section(results: Results) -> Section | None:
    """The grid that configurations were chosen from, by validation loss alone."""
    kept = {each.key for each in results.compared}
    if all(each.key in kept for each in results.found if each.answered):
        return None
    rows = [
        (
            each.corpus,
            each.label,
            digits(each.validation_loss),
            str(len(each.answered)),
            "chosen" if each.key in kept else "",
        )
        for each in results.found
        if each.answered
    ]
    table = Table(
        "tuning",
        "Mean validation loss",
        ("corpus", "configuration", "validation loss", "seeds", ""),
        rows,
        words=2,
        note="Of configurations that differ in the optimizer's settings, the one with the lowest "
        "mean validation loss is compared on the test articles. The others' test accuracies are "
        "not shown.",
    )
    return Section("tuning", "How configurations were chosen", tables=[table])

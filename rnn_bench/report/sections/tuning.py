"""The section on how configurations were chosen."""

from rnn_bench.report.analysis import Results
from rnn_bench.report.contents import Section, Table
from rnn_bench.report.formatting import format_number


def tuning_section(results: Results) -> Section | None:
    """Show the configurations that differ in the optimizer's settings, and which one validation
    loss chose."""
    candidates = [each for each in results.configurations if each.completed]
    if len(candidates) == len(results.compared):
        return None
    corpora = results.corpora
    candidates.sort(key=lambda each: (corpora.index(each.corpus), each.validation_loss))
    rows = [
        (
            each.corpus,
            each.label,
            format_number(each.validation_loss),
            str(len(each.completed)),
            "chosen" if each in results.compared else "",
        )
        for each in candidates
    ]
    table = Table(
        "tuning",
        "Mean validation loss",
        ("corpus", "configuration", "validation loss", "seeds", "choice"),
        rows,
        words=2,
        note="Among configurations that differ only in the optimizer's settings, the one with the "
        "lowest mean validation loss is chosen and compared on the test articles. Test accuracies "
        "of the others are not shown.",
    )
    return Section("tuning", "How configurations were chosen", tables=[table])

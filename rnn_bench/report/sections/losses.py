"""The section on losses by epoch."""

from rnn_bench.report.analysis import Results
from rnn_bench.report.contents import Section
from rnn_bench.report.figures import loss_figure


def losses_section(results: Results) -> Section | None:
    drawn = loss_figure(results.compared, results.palette)
    if drawn is None:
        return None
    text = ["Training loss is dashed, validation loss solid, a line a seed."]
    return Section("losses", "Losses by epoch", text, figures=[drawn])

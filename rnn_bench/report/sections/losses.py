"""The section on losses by epoch."""

from rnn_bench.report.analysis import Results
from rnn_bench.report.contents import Section
from rnn_bench.report.figures import draw_losses


def losses_section(results: Results) -> Section | None:
    figure = draw_losses(results)
    return Section("losses", "Losses by epoch", figures=[figure]) if figure else None

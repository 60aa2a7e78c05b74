"""The section on accuracy over training time."""

from statistics import mean

from rnn_bench.report.analysis import Results
from rnn_bench.report.contents import Section, Table
from rnn_bench.report.figures import time_figure
from rnn_bench.report.formatting import averaged, digits
from rnn_bench.sweep.comparison_table import MEASURABLE


def time_section(results: Results) -> Section | None:
    drawn = time_figure(results.compared, results.seconds, results.palette)
    if drawn is None:
        return None
    rows = [
        (
            each.corpus,
            each.label,
            digits(mean(seconds), 1 if mean(seconds) >= 1 else 3),
            averaged(each.values("tokens_per_second"), 0) if mean(seconds) >= MEASURABLE else "",
            averaged(each.values("parameter_count"), 0),
            averaged([value / 2**20 for value in each.values("peak_memory_bytes")], 0),
            str(len(seconds)),
        )
        for each in results.compared
        if (
            seconds := [
                results.seconds[run.id] for run in each.answered if run.id in results.seconds
            ]
        )
    ]
    columns = ("corpus", "model", "seconds", "tokens/s", "parameters", "peak memory (MiB)", "runs")
    table = Table("time", "Training time", columns, rows, words=2)
    text = [
        "Of runs on the same machine, device and threads with as many runs at once, none of them "
        "resumed. Tokens are the articles' own, without padding."
    ]
    return Section("time", "Accuracy over training time", text, [table], [drawn])

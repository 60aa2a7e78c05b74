"""The section that lists every run."""

from rnn_bench.report.analysis import Results
from rnn_bench.report.contents import Link, Section, Table
from rnn_bench.report.formatting import format_number
from rnn_bench.report.terminal import ui_command
from rnn_bench.tracking import schema


def runs_section(results: Results) -> Section | None:
    sweep = results.sweep
    if not sweep.runs:
        return None
    start, server = ui_command(sweep.store)
    rows = [
        (
            Link(run.name, f"{server}/#/experiments/{sweep.experiment_id}/runs/{run.id}"),
            run.state,
            run.origin(sweep.id),
            format_number(results.metric(run, schema.TEST_ACCURACY)),
            format_number(run.metric(schema.TRAIN_SECONDS), 1),
            run.tags.get(schema.ERROR, ""),
            ", ".join(f"{name}={value}" for name, value in sorted(run.parameters.items())),
        )
        for run in sweep.runs
    ]
    columns = ("run", "state", "how", "test accuracy", "seconds", "error", "parameters")
    table = Table("runs", "Every run", columns, rows, words=3)
    text = "A run's name links to its page in MLflow."
    if start:
        text += f" Start the pages first: {start.removesuffix(', then ')}."
    return Section("runs", "Every run", [text], [table], folded=True)

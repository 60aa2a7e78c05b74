"""The section on every run."""

import math

from rnn_bench.report.analysis import Results
from rnn_bench.report.contents import Link, Section, Table
from rnn_bench.report.formatting import digits
from rnn_bench.sweep.comparison_table import ui_command


def runs_section(results: Results) -> Section | None:
    start, server = ui_command(results.sweep.store)
    experiment = results.sweep.experiment_id
    rows = [
        (
            Link(run.name, f"{server}/#/experiments/{experiment}/runs/{run.id}"),
            run.state,
            run.how,
            digits(run.metrics.get("test_accuracy", math.nan)),
            f"{run.metrics['train_seconds']:.1f}" if "train_seconds" in run.metrics else "",
            run.tags.get("error", ""),
            ", ".join(f"{name}={value}" for name, value in sorted(run.parameters.items())),
        )
        for run in results.sweep.runs
    ]
    if not rows:
        return None
    columns = ("run", "state", "by", "test accuracy", "seconds", "error", "parameters")
    table = Table("runs", "Every run", columns, rows, words=3)
    shown = f"Start them first: {start.removesuffix(', then ')}." if start else ""
    text = [f"Names lead to MLflow's pages. {shown}".strip()]
    return Section("runs", "Every run", text, [table], folded=True)

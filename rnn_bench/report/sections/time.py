"""The section on accuracy over training time."""

from statistics import mean

from rnn_bench.report.analysis import Results
from rnn_bench.report.contents import Section, Table
from rnn_bench.report.figures import draw_times
from rnn_bench.report.formatting import format_mean, format_number
from rnn_bench.report.terminal import MEASURABLE
from rnn_bench.tracking import schema

CONDITIONS = (schema.HOST, schema.DEVICE, schema.THREADS, schema.CONCURRENT_JOBS)


def time_section(results: Results) -> Section | None:
    by_run = comparable_seconds(results)
    figure = draw_times(results, by_run)
    if figure is None:
        return None
    rows = []
    for each in results.ordered:
        seconds = [by_run[run.id] for run in each.completed if run.id in by_run]
        if not seconds:
            continue
        speed = format_mean(results.values(each, schema.TOKENS_PER_SECOND), 0)
        memory = [value / 2**20 for value in results.values(each, schema.PEAK_MEMORY_BYTES)]
        rows.append(
            (
                each.corpus,
                each.label,
                format_number(mean(seconds), 1 if mean(seconds) >= 1 else 3),
                speed if mean(seconds) >= MEASURABLE else "",
                format_mean(results.values(each, schema.PARAMETER_COUNT), 0),
                format_mean(memory, 0),
                str(len(seconds)),
            )
        )
    columns = ("corpus", "model", "seconds", "tokens/s", "parameters", "peak memory (MiB)", "runs")
    table = Table(
        "time",
        "Training time",
        columns,
        rows,
        words=2,
        note="Means over runs on the same machine and device with equally many threads and runs "
        "at once; resumed runs are left out, and those of hydra.launcher.jobs_per_gpu=measured. "
        "Tokens do not count padding.",
    )
    return Section("time", "Accuracy over training time", tables=[table], figures=[figure])


def comparable_seconds(results: Results) -> dict[str, float]:
    """Return the training time by run id, for the largest group of runs with the same CONDITIONS.
    Resumed runs are left out, and those beside which a varying number of runs trained."""
    groups: dict[tuple[str, ...], dict[str, float]] = {}
    for each in results.ordered:
        for run in each.completed:
            seconds = run.metrics.get(schema.TRAIN_SECONDS)
            origins = [how for tag, how in run.tags.items() if tag.startswith(schema.SWEEP)]
            if seconds is not None and schema.RESUMED not in origins:
                conditions = tuple(run.tags.get(name, "") for name in CONDITIONS)
                if schema.VARYING in conditions:
                    continue
                groups.setdefault(conditions, {})[run.id] = seconds
    return max(groups.values(), key=len, default={})

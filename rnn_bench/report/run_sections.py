"""The sections on the runs: losses, times, predictions, parameters, machines."""

import math
from collections.abc import Iterator
from statistics import mean

import numpy as np

from rnn_bench.report.contents import Link, Section, Table
from rnn_bench.report.figures import loss_figure, time_figure
from rnn_bench.report.results import Results
from rnn_bench.report.wording import averaged, digits
from rnn_bench.sweep.table import MEASURABLE, ui_command

MACHINE = {
    "host": "machine",
    "device": "device",
    "kernel": "kernel",
    "threads": "threads a run",
    "concurrent_jobs": "runs at once",
}


def losses_section(results: Results) -> Section | None:
    drawn = loss_figure(results.compared, results.palette)
    if drawn is None:
        return None
    text = ["Training loss is dashed, validation loss solid, a line a seed."]
    return Section("losses", "Losses by epoch", text, figures=[drawn])


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


def machine_section(results: Results) -> Section | None:
    if not results.sweep.runs:
        return None
    facts: dict[str, set[str]] = {}
    for run in results.sweep.runs:
        for name in MACHINE:
            if value := run.tags.get(name):
                facts.setdefault(MACHINE[name], set()).add(value)
        for name, value in run.tags.items():
            if name.startswith("version."):
                facts.setdefault(name.removeprefix("version."), set()).add(value)
    data = {
        (run.tags["dataset"], run.tags["data_edition"], run.fingerprint): run.articles
        for run in results.sweep.runs
    }
    tables = [
        Table("machine", "Machine and versions", ("what", "value"), list(told(facts)), words=2),
        Table(
            "data",
            "Data",
            ("corpus", "edition", "fingerprint", "training", "validation", "test"),
            [
                (*what, *(f"{sizes.get(split, 0):,}" for split in ("train", "validation", "test")))
                for what, sizes in data.items()
            ],
            words=3,
        ),
    ]
    return Section("machine", "Machine, versions and data", tables=tables, folded=True)


def told(facts: dict[str, set[str]]) -> Iterator[tuple[str, str]]:
    for name, values in facts.items():
        yield name, ", ".join(sorted(values))

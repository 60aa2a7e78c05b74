"""Measure how cost grows with the work: articles, length, size of the state, runs, recorded runs.

Runs are of a GRU. Sizes of a run count its seconds an epoch, a sweep's its wall time. The report is
timed on rows that the product's own recording wrote (recorded.py), as the command that a user would
give.
"""

from statistics import median

import pandas as pd

from benchmarks.drawing import line
from benchmarks.findings import Findings, Table, number
from benchmarks.workplace import Workplace
from rnn_bench.report.drawing import Figure

CELL, SMALLEST = "gru", 64  # smallest size of the state
Points = dict[float, list[float]]


def measure(place: Workplace) -> Findings:
    found: dict[tuple[str, str, str], Points] = {
        ("articles", "articles of the training file", "seconds an epoch"): articles(place),
        ("length", "first words that are kept", "seconds an epoch"): sizes(
            place, "protocol.max_length", grown(place.settings.length, place)
        ),
        ("hidden", "size of the hidden state", "seconds an epoch"): sizes(
            place, "model.hidden_size", [SMALLEST * factor for factor in place.settings.factors]
        ),
        ("runs", "runs of a sweep", "seconds of the sweep"): runs(place),
        ("report", "recorded runs", "seconds of the report"): reports(place),
    }
    tables, drawn, samples, headline = [], list[Figure](), [], []
    for (name, size, unit), points in found.items():
        medians = {x: median(seconds) for x, seconds in points.items()}
        (first, low), *_, (last, high) = (
            medians.items() if len(medians) > 1 else [*medians.items()] * 2
        )
        headline.append(
            f"{size}: times {last / first:.0f} costs times {high / low:.1f}.".capitalize()
        )
        tables.append(
            Table(
                name,
                f"{unit} by {size}, medians".capitalize(),
                [size, unit, "times the first", "n"],
                [
                    [f"{x:g}", number(y, 2), number(y / low, 2), str(len(points[x]))]
                    for x, y in medians.items()
                ],
                words=0,
            )
        )
        drawn.append(line(f"scaling-{name}", tables[-1].title, size, unit, medians))
        samples += [{"size": size, "value": x, unit: seconds} for x, seconds in points.items()]
    return Findings("Cost as work grows", headline, tables, drawn, samples)


def grown(largest: int, place: Workplace) -> list[int]:
    """Return sizes that end with the largest."""
    factors = place.settings.factors
    return [largest * factor // max(factors) for factor in factors]


def articles(place: Workplace) -> Points:
    """Measure the seconds of an epoch by the number of articles."""
    table = pd.read_csv(place.folder / "train.csv", keep_default_na=False)
    counts = grown(len(table), place)
    for count in counts:
        table.head(count).to_csv(place.folder / f"train-{count}.csv", index=False)
    lines = {count: place.overrides(CELL, epochs=2, train=f"train-{count}.csv") for count in counts}
    return epoch_seconds(place, lines)


def sizes(place: Workplace, key: str, values: list[int]) -> Points:
    """Measure the seconds of an epoch by the value of a key."""
    base = [each for each in place.overrides(CELL, epochs=2) if not each.startswith(f"{key}=")]
    return epoch_seconds(place, {value: [*base, f"{key}={value}"] for value in values})


def epoch_seconds(place: Workplace, lines: dict[int, list[str]]) -> Points:
    """Measure the shorter of two epochs for the command line of each size, in turn."""
    points: Points = {value: [] for value in lines}
    for _ in range(place.settings.repeats):
        for value, overrides in lines.items():
            epochs = place.ours(*overrides)["epochs"]
            points[value].append(min(epoch["ended"] - epoch["began"] for epoch in epochs))
    return points


def runs(place: Workplace) -> Points:
    """Measure the seconds of a sweep by the number of its runs, each with a seed of its own."""
    return {
        count: [place.run("rnn_bench", "-m", *place.overrides(CELL, seeds, epochs=1))]
        for count in place.settings.runs
        for seeds in [",".join(map(str, range(count)))]
    }


def reports(place: Workplace) -> Points:
    """Measure the seconds of the report by the number of recorded runs."""
    points: Points = {}
    for count in place.settings.reports:
        store = f"sqlite:///{place.folder}/recorded-{count}/mlflow.db"
        place.run("benchmarks.recorded", count, store)
        arguments = ("--tracking-uri", store, "--out", place.folder / f"report-{count}")
        repeats = place.settings.repeats if count < max(place.settings.reports) else 1
        points[count] = [place.run("rnn_bench.report", *arguments) for _ in range(repeats)]
    return points

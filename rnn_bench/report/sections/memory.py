"""The section on how far back each cell remembers."""

import math

import pandas as pd

from rnn_bench.report.analysis import Results
from rnn_bench.report.configurations import Configuration
from rnn_bench.report.contents import Section, Table
from rnn_bench.report.distances import distances, farthest
from rnn_bench.report.figures import distance_figure, gradient_figure
from rnn_bench.report.formatting import averaged, spanned
from rnn_bench.report.statistics import Estimate

GRADIENTS = "gradient_flow.csv"


def memory_section(results: Results) -> Section | None:
    """How far back a cell remembers: accuracy over the cue's distance, and gradients."""
    figures, tables, text = [], [], []
    points = distances(results)
    if points:
        figures.append(distance_figure(points, results.palette))
        steps = sorted({x for found in points.values() for x, _ in found})
        rows = [
            (label, *(of_distance(found, step) for step in steps))
            for label, found in points.items()
        ]
        methods = dict.fromkeys(e.method for found in points.values() for _, e in found)
        tables.append(
            Table(
                "distance",
                "Test accuracy over the cue's distance",
                ("model", *(f"{step:g} words" for step in steps)),
                rows,
                note="The cue stands at any distance up to the given one. In brackets 95 % "
                f"intervals: {'; '.join(methods)}.",
            )
        )
    corpora = [farthest(results)] if points else results.corpora
    flows = {corpus: flow for corpus in corpora if (flow := gradient_flows(results, corpus))}
    for place, (corpus, flow) in enumerate(flows.items(), start=1):
        figures.append(gradient_figure(corpus, place, flow, results.palette))
    if flows:
        text.append(
            "Gradient flow: the norm of the gradient of an article's loss with respect to the "
            "hidden state so many steps before its end, averaged over test articles and seeds. "
            "Where it falls to nothing, training cannot learn from what stands there."
        )
        tables.append(reach_table(results))
    if not figures:
        return None
    return Section("memory", "Memory", text, tables, figures)


def of_distance(points: list[tuple[float, Estimate]], step: float) -> str:
    return next((spanned(estimate) for x, estimate in points if x == step), "")


def reach_table(results: Results) -> Table:
    reached = "gradient_flow/{}_reach".format
    rows = [
        (
            *(each.corpus, each.label),
            *(averaged(each.values(reached(when)), 1) for when in ("initial", "trained")),
            str(len(each.answered)),
        )
        for each in results.compared
        if any(map(math.isfinite, each.values(reached("trained"))))
    ]
    return Table(
        "reach",
        "Reach of the gradient, in steps back",
        ("corpus", "model", "before training", "evaluated weights", "seeds"),
        rows,
        words=2,
        note="Steps after which the mean norm first falls below a hundredth of that at the last "
        "token; the articles' greatest length if it never does. Means over seeds.",
    )


def gradient_flows(results: Results, corpus: str) -> dict[str, dict[str, list[float]]]:
    """Mean norms over seeds, by label."""
    found = {}
    for each in results.on(corpus):
        if tables := gradient_tables(each):
            together = pd.concat(tables).groupby("steps_back", as_index=False).mean()
            found[each.label] = {
                name: together[name].tolist() for name in ("steps_back", "initial", "trained")
            }
    return found


def gradient_tables(each: Configuration) -> list[pd.DataFrame]:
    paths = [run.artifact(GRADIENTS) for run in each.answered if run.has(GRADIENTS)]
    return [pd.read_csv(path) for path in paths if path is not None]

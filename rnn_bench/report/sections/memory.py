"""The section on how far back each model remembers."""

import math

import pandas as pd

from rnn_bench.evaluation.gradient_flow import read_gradient_flow
from rnn_bench.report.analysis import Results
from rnn_bench.report.configurations import Configuration
from rnn_bench.report.contents import Section, Table
from rnn_bench.report.distances import accuracies_by_distance, farthest_corpus
from rnn_bench.report.figures import draw_distances, draw_gradient_flow
from rnn_bench.report.formatting import format_estimate, format_mean
from rnn_bench.report.statistics import Estimate
from rnn_bench.tracking import schema


def memory_section(results: Results) -> Section | None:
    """Show accuracy by the cue's distance, and how far gradients reach back."""
    figures, tables, text = [], [], []
    points = accuracies_by_distance(results)
    if points:
        text.append(
            "One word of each article, the cue, tells its class. The further it stands from the "
            "end, the longer a model must remember it."
        )
        figures.append(draw_distances(points, results.palette))
        tables.append(distance_table(points))
    corpora = [farthest_corpus(results)] if points else results.corpora
    flows = {corpus: flow for corpus in corpora if (flow := gradient_flows(results, corpus))}
    for number, (corpus, flow) in enumerate(flows.items(), start=1):
        figures.append(draw_gradient_flow(f"gradients-{number}", corpus, flow, results.palette))
    if flows:
        text.append(
            "Gradient flow is the norm of the gradient of an article's loss with respect to the "
            "hidden state at a given number of steps before the article's end, averaged over test "
            "articles and seeds. Where it is near zero, training learns nothing from the words "
            "at that distance."
        )
        tables.append(reach_table(results))
    if not figures:
        return None
    return Section("memory", "Memory", text, tables, figures)


def distance_table(points: dict[str, list[tuple[float, Estimate]]]) -> Table:
    distances = sorted({distance for found in points.values() for distance, _ in found})
    rows = []
    for label, found in points.items():
        estimates = dict(found)
        cells = [format_estimate(estimates[x]) if x in estimates else "" for x in distances]
        rows.append((label, *cells))
    covers = dict.fromkeys(e.over for found in points.values() for _, e in found)
    return Table(
        "distance",
        "Test accuracy by the distance of the cue",
        ("model", *(f"{distance:g} words" for distance in distances)),
        rows,
        note="The cue stands at most this many words before the end of the article. Brackets: "
        f"95 % interval over {', or '.join(filter(None, covers))}.",
    )


def reach_table(results: Results) -> Table:
    rows = [
        (
            *(each.corpus, each.label),
            *(
                format_mean(results.values(each, reach), 1)
                for reach in (schema.INITIAL_REACH, schema.TRAINED_REACH)
            ),
            str(len(each.completed)),
        )
        for each in results.ordered
        if any(map(math.isfinite, results.values(each, schema.TRAINED_REACH)))
    ]
    return Table(
        "reach",
        "Reach of the gradient, in steps back",
        ("corpus", "model", "before training", "after training", "seeds"),
        rows,
        words=2,
        note="The steps after which the mean norm first falls below a hundredth of its value at "
        "the last token, or the length of the longest article if it never does. Means over seeds.",
    )


def gradient_flows(results: Results, corpus: str) -> dict[str, dict[str, list[float]]]:
    """Return the mean norms over seeds by label: columns steps_back, initial and trained."""
    found = {}
    for each in results.on(corpus):
        if tables := gradient_tables(results, each):
            means = pd.concat(tables).groupby("steps_back", as_index=False).mean()
            found[each.label] = {
                name: means[name].tolist() for name in ("steps_back", "initial", "trained")
            }
    return found


def gradient_tables(results: Results, each: Configuration) -> list[pd.DataFrame]:
    found = (
        results.read_artifact(run, schema.GRADIENT_FLOW_FILE, read_gradient_flow)
        for run in each.completed
    )
    return [table for table in found if table is not None]

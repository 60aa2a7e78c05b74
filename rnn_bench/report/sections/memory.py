"""The section on how far back each model remembers, and how far back gradients flow."""

from collections.abc import Mapping, Sequence

import pandas as pd

from rnn_bench.evaluation.gradient_flow import (
    BY_INPUT,
    BY_STATE,
    INITIAL,
    TRAINED,
    read_gradient_flow,
)
from rnn_bench.report.analysis import Results
from rnn_bench.report.contents import Section, Table
from rnn_bench.report.distances import (
    CUE_DISTANCE,
    FOUND,
    Distance,
    accuracies_by_distance,
    distance_found,
    farthest_corpus,
    value_of,
    varied_distance,
)
from rnn_bench.report.figures import draw_distances, draw_gradient_flow
from rnn_bench.report.formatting import format_estimate, format_mean, join_words
from rnn_bench.report.statistics import Estimate
from rnn_bench.tracking import schema
from rnn_bench.tracking.recorded_run import RecordedRun

Points = Mapping[str, Sequence[tuple[float, Estimate]]]  # distance and accuracy, by label

EVERY_STATE = (
    "Here a classifier reads the states of all tokens (protocol.readout={}), so that each reaches "
    "the loss by itself. With protocol.readout=last_token, {} would say how far a model remembers, "
    "but not here."
)
GRADIENTS = (
    "Gradient flow is the norm of the gradient of an article's loss at a given number of steps "
    "before the article's end, over the norm at its last token. By input it is the gradient with "
    "respect to the embedded token; by state, with respect to what the cell hands on from that "
    "step: h, and for an LSTM c too. Norms are means over test articles."
)
NO_VERDICT = (
    "A small gradient does not mean that a network cannot learn what stands at that distance. It "
    "says how far the gradient is attenuated, before the first step of training and after the "
    "last; what a network learned, its accuracy says."
)


def memory_section(results: Results) -> Section | None:
    """Show accuracy by the distance that the demo corpus varies, and how far back gradients
    flow."""
    figures, tables, text = [], [], []
    distance, points = varied_distance(results), accuracies_by_distance(results)
    corpora = results.corpora
    if distance:
        text.append(distance.meaning)
        figures.append(draw_distances(results, distance, points))
        tables.append(distance_table(distance, points))
        corpora = [farthest_corpus(results, distance)]
    flows = {corpus: flow for corpus in corpora if (flow := gradient_flows(results, corpus))}
    for number, (corpus, flow) in enumerate(flows.items(), start=1):
        figures.append(draw_gradient_flow(f"gradients-{number}", corpus, flow, results.palette))
    if flows:
        text += [GRADIENTS, NO_VERDICT]
        tables.append(reach_table(results, distance, points))
    of_last_state = ["the cue's distance from the end"] * (distance is CUE_DISTANCE)
    of_last_state += ["gradient flow"] * bool(flows)
    text += describe_readouts(results, of_last_state)
    text += describe_older(results)
    return Section("memory", "Memory", text, tables, figures) if text else None


def describe_readouts(results: Results, of_last_state: Sequence[str]) -> list[str]:
    """Return a sentence on the networks that read the states of all tokens, where something is
    shown that tells memory only of those that read the last one; none if there is neither."""
    found = {
        run.parameters.get("protocol.readout")
        for each in results.compared
        for run in each.completed
        if not each.is_baseline
    }
    readouts = [readout for readout in ("mean", "max") if readout in found]
    if not readouts or not of_last_state:
        return []
    return [EVERY_STATE.format(" or ".join(readouts), join_words(of_last_state))]


def distance_table(distance: Distance, points: Points) -> Table:
    distances = sorted({words for found in points.values() for words, _ in found})
    rows = []
    for label, found in points.items():
        estimates = dict(found)
        cells = [format_estimate(estimates[x]) if x in estimates else "" for x in distances]
        rows.append((label, *cells))
    covers = dict.fromkeys(e.over for found in points.values() for _, e in found)
    return Table(
        "distance",
        f"Test accuracy by the distance from {distance.start} to {distance.end}",
        ("model", *(f"{words:g} words" for words in distances)),
        rows,
        note=f"At most this many words stand between {distance.start} and {distance.end}. "
        f"Brackets: 95 % interval over {', or '.join(filter(None, covers))}.",
    )


def reach_table(results: Results, distance: Distance | None, points: Points) -> Table:
    """Return the steps after which gradients are attenuated, before and after training, beside the
    seeds that learned, and whether the model finds the cue of each distance."""
    found = {label: distance_found(of_label) for label, of_label in points.items()}
    measured = [each for each in results.ordered if any(map(is_measured, each.completed))]
    if distance:
        measured.sort(
            key=lambda each: (-found.get(each.label, 0), each.label, value_of(each, distance))
        )
    rows = []
    for each in measured:
        is_found = distance and value_of(each, distance) <= found.get(each.label, 0)
        reaches = [
            format_mean(results.values(each, schema.REACH.format(f"{when}_{by}")), 1)
            for by in (BY_INPUT, BY_STATE)
            for when in (INITIAL, TRAINED)
        ]
        cue_found = ["yes" if is_found else "no"] * bool(distance)
        count = len(each.completed)
        learned = f"{each.learned} of {count} runs"
        rows.append((each.corpus, each.label, *cue_found, learned, *reaches))
    note = (
        "Steps: how far back the mean norm is first below a hundredth of that at the last token, "
        "or the length of the longest article if it never is; means over all runs, those that did "
        "not learn too."
    )
    if distance:
        note += (
            " A model finds the cue where the lower end of the 95 % interval of its accuracy "
            f"is above {FOUND}, half way from chance to certainty, at this distance and "
            "at every smaller one."
        )
    reach_columns = ("input, before", "input, after", "state, before", "state, after")
    return Table(
        "reach",
        "Steps after which the gradient is attenuated to 1 %, before and after training",
        ("corpus", "model", *["cue found"] * bool(distance), "learned", *reach_columns),
        rows,
        words=3 + bool(distance),
        note=note,
    )


def gradient_flows(results: Results, corpus: str) -> dict[str, list[pd.DataFrame]]:
    """Return the gradient norms of each seed, by label."""
    found = {}
    for each in results.on(corpus):
        tables = (
            results.read_artifact(run, schema.GRADIENT_FLOW_FILE, read_gradient_flow)
            for run in each.completed
            if not is_older(run)
        )
        if kept := [table for table in tables if table is not None]:
            found[each.label] = kept
    return found


def is_measured(run: RecordedRun) -> bool:
    """Return whether the gradient flow of a run is recorded by input."""
    return schema.REACH.format(f"{TRAINED}_{BY_INPUT}") in run.metrics


def is_older(run: RecordedRun) -> bool:
    """Return whether the gradient flow of a run is recorded by its hidden states alone."""
    return not is_measured(run) and schema.REACH.format(TRAINED) in run.metrics


def describe_older(results: Results) -> list[str]:
    """Return a sentence on the runs whose gradient flow is recorded by their hidden states alone;
    none if there are none."""
    count = sum(is_older(run) for each in results.compared for run in each.completed)
    if not count:
        return []
    return [
        f"The gradient flow of {count:,} run{'s' * (count > 1)} is recorded by the hidden state "
        "alone, which leaves out an LSTM's c, and is not shown. The sweep's command measures it "
        "anew, and trains nothing again."
    ]

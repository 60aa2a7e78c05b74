"""The sections on transfer, memory and the data themselves."""

import math
from typing import Any

import numpy as np
import pandas as pd

from rnn_bench.report.configurations import Configuration
from rnn_bench.report.contents import Section, Table
from rnn_bench.report.figures import colours, distance_figure, gradient_figure
from rnn_bench.report.results import Results
from rnn_bench.report.statistics import Estimate

GRADIENTS = "gradient_flow.csv"
DISTANCE = "dataset.cue_distance"


def transfer_section(results: Results) -> Section | None:
    """Train x test: a configuration's accuracy on its own corpus and on the others."""
    found = results.transfers()
    if not found:
        return None
    read = sorted({corpus for each in found.values() for corpus in each})
    own = sorted(
        {each.answered[0].tags["dataset"] for each in results.compared if each.key in found}
    )
    tests = list(dict.fromkeys([*own, *read]))
    rows = []
    for each in results.compared:
        if each.key not in found:
            continue
        cells = []
        for corpus in tests:
            if corpus == each.answered[0].tags["dataset"]:
                cells.append(f"{results.accuracies[each.key].value:.4f} (own)")
            elif corpus in found[each.key]:
                estimate, unknown = found[each.key][corpus]
                cells.append(f"{estimate.value:.4f} ({unknown:.1%} unknown)")
            else:
                cells.append("")
        rows.append((each.corpus, each.label, *cells, str(len(each.answered))))
    table = Table(
        "transfer",
        "Trained on, tested on",
        ("trained on", "model", *(f"tested on {corpus}" for corpus in tests), "seeds"),
        rows,
        words=2,
        note="Mean test accuracy over seeds; in brackets the share of the other corpus's tokens "
        "that the model's vocabulary lacks.",
    )
    return Section("transfer", "Transfer to another corpus", tables=[table])


def memory_section(results: Results) -> Section | None:
    """How far back a cell remembers: accuracy over the cue's distance, and gradients."""
    figures, tables = [], []
    points = distances(results)
    if points:
        palette = plain_colours(results, [*points])
        figures.append(distance_figure(points, palette))
        steps = sorted({x for found in points.values() for x, _ in found})
        rows = [
            (label, *(of_distance(found, step) for step in steps))
            for label, found in points.items()
        ]
        tables.append(
            Table(
                "distance",
                "Test accuracy over the cue's distance",
                ("model", *(f"{step:g} words" for step in steps)),
                rows,
                note="Means over seeds. The cue stands at any distance up to the given one.",
            )
        )
    flows = gradient_flows(results)
    if flows:
        figures.append(gradient_figure(flows, plain_colours(results, [*flows])))
    if not figures:
        return None
    text = []
    if flows:
        text.append(
            "Gradient flow: the norm of the gradient of an article's loss with respect to the "
            "hidden state so many steps before its end, averaged over test articles. Where it "
            "falls to nothing, training cannot learn from what stands there."
        )
    return Section("memory", "Memory", text, tables, figures)


def distances(results: Results) -> dict[str, list[tuple[float, Estimate]]]:
    """Accuracies over distance by model, where a sweep has several distances."""
    found: dict[str, list[tuple[float, Estimate]]] = {}
    for each in results.compared:
        distance = each.answered[0].parameters.get(DISTANCE)
        if distance is not None:
            point = float(distance), results.accuracies[each.key]
            found.setdefault(each.label, []).append(point)
    several = len({x for points in found.values() for x, _ in points}) > 1
    return (
        {label: sorted(points, key=lambda p: p[0]) for label, points in found.items()}
        if several
        else {}
    )


def of_distance(points: list[tuple[float, Estimate]], step: float) -> str:
    return next((f"{estimate.value:.4f}" for x, estimate in points if x == step), "")


def gradient_flows(results: Results) -> dict[str, tuple[str, dict[str, list[float]]]]:
    """Mean norms over seeds, by label, of the corpus where most configurations have them."""
    by_corpus: dict[str, dict[str, tuple[str, dict[str, list[float]]]]] = {}
    for each in results.compared:
        tables = gradient_tables(each)
        if tables:
            together = pd.concat(tables).groupby("steps_back", as_index=False).mean()
            columns = {
                name: together[name].tolist() for name in ("steps_back", "initial", "trained")
            }
            by_corpus.setdefault(each.corpus, {})[each.label] = each.model, columns
    return max(by_corpus.values(), key=len, default={})


def gradient_tables(each: Configuration) -> list[pd.DataFrame]:
    paths = [run.artifact(GRADIENTS) for run in each.answered if run.has(GRADIENTS)]
    return [pd.read_csv(path) for path in paths if path is not None]


def plain_colours(results: Results, labels: list[str]) -> dict[str, str]:
    palette = colours(results.compared)
    return {label: palette[label] for label in labels}


def audit_section(results: Results) -> Section | None:
    if not results.audits:
        return None
    sizes, duplicates, probes = [], [], []
    for corpus, audit in results.audits.items():
        for split, facts in audit["splits"].items():
            for name, count in facts["classes"].items():
                words = facts["words"].get(name, {})
                sizes.append(
                    (
                        corpus,
                        split,
                        name,
                        f"{count:,}",
                        f"{count / max(facts['articles'], 1):.1%}",
                        f"{words.get('median', math.nan):,.0f}",
                        f"{words.get('q25', math.nan):,.0f} to {words.get('q75', math.nan):,.0f}",
                    )
                )
        duplicates += duplicate_rows(corpus, audit)
        majority = audit["majority"]["accuracy"]
        for probe in audit["probes"]:
            probes.append(
                (
                    corpus,
                    probe["name"],
                    probe["missing"] or f"{probe['accuracy']:.4f}",
                    "" if probe["missing"] else f"{probe['low']:.4f} to {probe['high']:.4f}",
                    f"{majority:.4f}",
                    ""
                    if probe["missing"] or np.isnan(probe["low"])
                    else tells(probe["low"], majority),
                )
            )
    tables = [
        Table(
            "probes",
            "Probes that should fail on clean data",
            ("corpus", "what is read", "test accuracy", "95 % interval", "majority class", ""),
            probes,
            words=2,
            note="Simple classifiers that see one thing only. One that does better than the "
            "majority class shows that the labels can be guessed without reading.",
        ),
        Table(
            "duplicates",
            "Duplicates",
            ("corpus", "what", "articles"),
            duplicates,
            words=2,
        ),
        Table(
            "sizes",
            "Sizes and lengths",
            ("corpus", "split", "class", "articles", "share", "median words", "middle half"),
            sizes,
            words=3,
            note="train is the training file, of which validation is a part.",
        ),
    ]
    return Section("audit", "Audit of the data", tables=tables)


def duplicate_rows(corpus: str, audit: dict[str, Any]) -> list[tuple[str, str, str]]:
    exact, near = audit["duplicates"], audit["near_duplicates"]
    told = {
        "test articles whose text stands in the training file": exact["test_in_train"],
        "repeated within the training file": exact["within_train"],
        "repeated within the test file": exact["within_test"],
        "with the text of another article of another class": exact["contradicting"],
        f"test articles nearly the same as a training article ({near['method']})": near[
            "test_in_train"
        ],
        "nearly the same within the training file": near["within_train"],
        "nearly the same within the test file": near["within_test"],
    }
    return [(corpus, what, f"{count:,}") for what, count in told.items()]


def tells(low: float, majority: float) -> str:
    return "tells the classes apart" if low > majority else ""

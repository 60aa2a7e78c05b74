"""The sections on transfer, memory and the data themselves."""

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from rnn_bench.data.audit.summary import best_constant, is_telling
from rnn_bench.report.configurations import Configuration
from rnn_bench.report.contents import Section, Table
from rnn_bench.report.distances import distances, farthest
from rnn_bench.report.figures import distance_figure, gradient_figure
from rnn_bench.report.results import Results
from rnn_bench.report.statistics import Estimate
from rnn_bench.report.wording import averaged, digits, interval

GRADIENTS = "gradient_flow.csv"
LENGTHS = ("min", "q25", "median", "q75", "max")


def transfer_section(results: Results) -> Section | None:
    """Train x test: a configuration's accuracy on its own corpus and on the others."""
    found = results.transfers()
    if not found:
        return None
    shown = [each for each in results.compared if each.key in found]
    own = {each.key: each.answered[0].tags["dataset"] for each in shown}
    read = {corpus for each in found.values() for corpus in each}
    tests = [*dict.fromkeys([*sorted(own.values()), *sorted(read)])]
    sizes = {
        each.answered[0].tags["dataset"]: each.answered[0].articles.get("test")
        for each in results.compared
    }
    rows, unknown = [], []
    for each in shown:
        start, seeds = (each.corpus, each.label), str(len(each.answered))
        estimates = {corpus: estimate for corpus, (estimate, _) in found[each.key].items()}
        estimates[own[each.key]] = results.accuracies[each.key]
        cells = [spanned(estimates[test]) if test in estimates else "" for test in tests]
        rows.append((*start, *cells, seeds))
        lacking = {corpus: f"{share:.1%}" for corpus, (_, share) in found[each.key].items()}
        unknown.append((*start, *(lacking.get(test, "") for test in tests), seeds))
    counted = [f"{test} ({sizes[test]:,} articles)" if sizes.get(test) else test for test in tests]
    accuracy = Table(
        "transfer",
        "Trained on, tested on: accuracy",
        ("trained on", "model", *(f"tested on {test}" for test in counted), "seeds"),
        rows,
        words=2,
        note="Mean accuracy on a corpus's test articles, with Student's t 95 % interval over "
        "seeds where there are several, or Wilson's over articles on a model's own corpus. No "
        "training sees the other corpus; splits are fixed.",
    )
    shares = Table(
        "unknown",
        "Share of unknown tokens",
        ("trained on", "model", *(f"of {test}" for test in tests), "seeds"),
        unknown,
        words=2,
        note="Of the tokens that are read, those that the model's own vocabulary lacks.",
    )
    return Section("transfer", "Transfer to another corpus", tables=[accuracy, shares])


def spanned(estimate: Estimate) -> str:
    span = interval(estimate)
    return digits(estimate.value) + (f" ({span})" if span and estimate.low < estimate.high else "")


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


def audit_section(results: Results) -> Section | None:
    """The audit of each corpus of articles; corpora that differ in the protocol share one."""
    audits = {audit["fingerprint"]: (corpus, audit) for corpus, audit in results.audits.items()}
    if not audits:
        return None
    sizes = list[tuple[str, ...]]()
    duplicates, probes = list[Sequence[str]](), list[Sequence[str]]()
    methods = {audit["near_duplicates"]["method"]: None for _, audit in audits.values()}
    for corpus, audit in audits.values():
        duplicates += duplicate_rows(corpus, audit)
        probes += probe_rows(corpus, audit)
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
                        *(digits(words.get(key, math.nan), 0) for key in LENGTHS),
                    )
                )
    tables = [
        Table(
            "probes",
            "Probes that should fail on clean data",
            ("corpus", "what is read", "", "test accuracy", "95 % interval", "test articles"),
            probes,
            words=3,
            note="Simple classifiers that see one thing only, with Wilson's interval over test "
            "articles. Where it lies above the share of the largest class, the best that a "
            "constant can do, labels can be guessed without reading.",
        ),
        Table(
            "duplicates",
            "Articles that stand in the corpus more than once",
            (
                *("corpus", "", "again in train", "again in test"),
                *("test articles that train has", "under several labels"),
            ),
            duplicates,
            words=2,
            note=f"Nearly equal: {'; '.join(methods)}.",
        ),
        Table(
            "sizes",
            "Sizes, and words an article",
            (
                *("corpus", "split", "class", "articles", "share"),
                *("shortest", "quarter", "median", "three quarters", "longest"),
            ),
            sizes,
            words=3,
            note="train is the training file, of which validation is a part."
            + "".join(
                f" Left out of {corpus}, for their text or label is empty: {audit['left_out']}."
                for corpus, audit in audits.values()
                if audit.get("left_out")
            ),
        ),
    ]
    return Section("audit", "Audit of the data", tables=tables)


def probe_rows(corpus: str, audit: dict[str, Any]) -> Sequence[Sequence[str]]:
    constant = best_constant(audit)
    articles = f"{audit['splits']['test']['articles']:,}"
    rows = [(corpus, "nothing: the best constant", "", digits(constant), "", articles)]
    for probe in audit["probes"]:
        if probe["missing"]:
            rows.append((corpus, probe["name"], f"not computed: {probe['missing']}", "", "", ""))
            continue
        finding = "tells the classes apart" if is_telling(probe, audit) else ""
        span = f"{probe['low']:.4f} to {probe['high']:.4f}"
        rows.append(
            (corpus, probe["name"], finding, digits(probe["accuracy"]), span, f"{probe['n']:,}")
        )
    return rows


def duplicate_rows(corpus: str, audit: dict[str, Any]) -> Sequence[Sequence[str]]:
    exact, near = audit["duplicates"], audit["near_duplicates"]
    places = ("within_train", "within_test", "test_in_train")
    return [
        (corpus, "equal", *(f"{exact[key]:,}" for key in (*places, "contradicting"))),
        (corpus, "nearly equal", *(f"{near[key]:,}" for key in places), ""),
    ]

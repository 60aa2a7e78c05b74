"""The section on the audit of the data."""

import math
from collections.abc import Sequence
from typing import Any

from rnn_bench.data.audit.summary import best_constant, is_telling
from rnn_bench.report.analysis import Results
from rnn_bench.report.contents import Section, Table
from rnn_bench.report.formatting import format_number

LENGTHS = ("min", "q25", "median", "q75", "max")


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
                        *(format_number(words.get(key, math.nan), 0) for key in LENGTHS),
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
    rows = [(corpus, "nothing: the best constant", "", format_number(constant), "", articles)]
    for probe in audit["probes"]:
        if probe["missing"]:
            rows.append((corpus, probe["name"], f"not computed: {probe['missing']}", "", "", ""))
            continue
        finding = "tells the classes apart" if is_telling(probe, audit) else ""
        span = f"{probe['low']:.4f} to {probe['high']:.4f}"
        rows.append(
            (
                corpus,
                probe["name"],
                finding,
                format_number(probe["accuracy"]),
                span,
                f"{probe['n']:,}",
            )
        )
    return rows


def duplicate_rows(corpus: str, audit: dict[str, Any]) -> Sequence[Sequence[str]]:
    exact, near = audit["duplicates"], audit["near_duplicates"]
    places = ("within_train", "within_test", "test_in_train")
    return [
        (corpus, "equal", *(f"{exact[key]:,}" for key in (*places, "contradicting"))),
        (corpus, "nearly equal", *(f"{near[key]:,}" for key in places), ""),
    ]

"""An audit in words."""

from collections.abc import Mapping
from typing import Any

from rnn_bench.data.audit.probes import CONFIDENCE

SPLITS = ("train", "test")


def summary(audit: Mapping[str, Any]) -> str:
    """What a person wants to know of an audit, on about thirty lines."""
    lines = [f"{audit['corpus']} ({audit['edition']}, {audit['fingerprint']})", ""]
    lines += [f"{'':8}{'articles':>10}  classes, with the quartiles of their articles' words"]
    for split in SPLITS:
        figures = audit["splits"][split]
        start = f"{split:8}{figures['articles']:10,}"
        for name, count in figures["classes"].items():
            words = figures["words"].get(name)
            share = f"{count:,} ({count / figures['articles']:.1%})"
            quartiles = (
                f"{words['q25']:.0f} {words['median']:.0f} {words['q75']:.0f}" if words else "none"
            )
            lines.append(f"{start}  {name} {share}, words {quartiles}")
            start = " " * len(start)
    if audit["left_out"]:
        lines.append(f"Left out, for their text or label is empty: {audit['left_out']}.")
    exact, near = audit["duplicates"], audit["near_duplicates"]
    lines += ["", f"{'':40}{'equal':>8}{'near':>8}"]
    for meaning, name in (
        ("again within train", "within_train"),
        ("again within test", "within_test"),
        ("test articles that train has too", "test_in_train"),
    ):
        lines.append(f"{meaning:40}{exact[name]:8,}{near[name]:8,}")
    lines.append(f"{'equal texts with different labels':40}{exact['contradicting']:8,}")
    lines.append(f"near: {near['method']}.")
    most = audit["majority"]
    lines += [
        "",
        f"{'probe':20}{'test accuracy':>14}  {CONFIDENCE:.0%} interval",
        f"{'majority class':20}{most['accuracy']:14.3f}  ({most['class']}, train's larger one; "
        f"the best constant has {best_constant(audit):.3f})",
    ]
    for probe in audit["probes"]:
        if probe["missing"]:
            lines.append(f"{probe['name']:20}{'':14}  not computed: {probe['missing']}")
        else:
            interval = f"{probe['low']:.3f} to {probe['high']:.3f}"
            lines.append(f"{probe['name']:20}{probe['accuracy']:14.3f}  {interval}")
    return "\n".join(lines)


def findings(audit: Mapping[str, Any]) -> str:
    """What is wrong with a corpus, in a line; empty if nothing is. A probe is named if its interval
    lies above the share of the test articles' largest class, the best that a constant can do."""
    exact, near = audit["duplicates"], audit["near_duplicates"]
    tested = audit["splits"]["test"]["articles"]
    found = []
    if audit["left_out"]:
        found.append(f"{audit['left_out']} are left out")
    if exact["test_in_train"]:
        found.append(
            f"{exact['test_in_train']} of {tested} test articles also stand in the training file"
        )
    if near["test_in_train"]:
        found.append(
            f"{near['test_in_train']} of {tested} test articles are near duplicates of training "
            "articles"
        )
    if exact["contradicting"]:
        found.append(f"{exact['contradicting']} articles stand under different labels")
    telling = [
        f"{probe['name']} {probe['accuracy']:.3f}"
        for probe in audit["probes"]
        if is_telling(probe, audit)
    ]
    if telling:
        found.append(
            f"in the raw files, test accuracy of {', '.join(telling)} "
            f"(a constant reaches {best_constant(audit):.3f})"
        )
    return f"{audit['corpus']}: {'; '.join(found)}" if found else ""


def best_constant(audit: Mapping[str, Any]) -> float:
    """The share of the test articles' largest class: the best that a constant can do."""
    test = audit["splits"]["test"]
    return float(max(test["classes"].values()) / test["articles"])


def is_telling(probe: Mapping[str, Any], audit: Mapping[str, Any]) -> bool:
    """Whether a probe's interval lies above that."""
    return not probe["missing"] and bool(probe["low"] > best_constant(audit))

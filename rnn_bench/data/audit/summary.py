"""Describe an audit in words."""

from rnn_bench.data.audit.probes import CONFIDENCE
from rnn_bench.data.audit.results import CorpusAudit


def summary(audit: CorpusAudit) -> str:
    """Return an audit as text of about thirty lines."""
    lines = [f"{audit.corpus} ({audit.edition}, {audit.fingerprint})", ""]
    lines += [f"{'':8}{'articles':>10}  classes, with the quartiles of their articles' words"]
    for split, sizes in audit.splits.items():
        start = f"{split:8}{sizes.articles:10,}"
        for name, count in sizes.classes.items():
            words = sizes.words.get(name)
            share = f"{count:,} ({count / sizes.articles:.1%})"
            quartiles = f"{words.q25:.0f} {words.median:.0f} {words.q75:.0f}" if words else "none"
            lines.append(f"{start}  {name} {share}, words {quartiles}")
            start = " " * len(start)
    if audit.left_out:
        lines.append(
            "Left out, because they stand there twice, or their text or label is empty: "
            f"{audit.left_out}."
        )
    exact, near = audit.duplicates, audit.near_duplicates
    rows = (
        ("again within train", exact.within_train, near.within_train),
        ("again within test", exact.within_test, near.within_test),
        ("test articles that train has too", exact.test_in_train, near.test_in_train),
    )
    lines += ["", f"{'':40}{'equal':>8}{'near':>8}"]
    lines += [f"{meaning:40}{equal:8,}{similar:8,}" for meaning, equal, similar in rows]
    lines.append(f"{'equal texts with different labels':40}{exact.contradicting:8,}")
    lines.append(f"near: {near.method}.")
    most = audit.majority
    lines += [
        "",
        f"{'probe':20}{'test accuracy':>14}  {CONFIDENCE:.0%} interval    balanced    AUC",
        f"{'majority class':20}{most.accuracy:14.3f}  ({most.class_name}, train's larger one; "
        f"the best constant has {audit.best_constant:.3f})",
    ]
    for probe in audit.probes:
        if probe.missing:
            lines.append(f"{probe.name:20}{'':14}  not computed: {probe.missing}")
        else:
            interval = f"{probe.low:.3f} to {probe.high:.3f}"
            auc = "" if probe.auc is None else f"{probe.auc:7.3f}"
            others = f"{probe.balanced_accuracy:10.3f}{auc}"
            lines.append(f"{probe.name:20}{probe.accuracy:14.3f}  {interval}{others}")
    return "\n".join(lines)


def findings(audit: CorpusAudit) -> str:
    """Return a line on what is wrong with a corpus, or "". A probe is named if its confidence
    interval lies above the best that a constant can do."""
    exact, near = audit.duplicates, audit.near_duplicates
    test_articles = audit.splits["test"].articles
    found = []
    if audit.left_out:
        found.append(f"{audit.left_out} are left out")
    for count, what in (
        (exact.test_in_train, "also stand in the training file"),
        (near.test_in_train, "are near duplicates of training articles"),
    ):
        if count:
            found.append(f"{count} of {test_articles} test articles {what}")
    if exact.contradicting:
        found.append(f"{exact.contradicting} articles have a text that also has another label")
    telling = [
        f"{probe.name} {probe.accuracy:.3f}"
        + ("" if probe.auc is None else f" (AUC {probe.auc:.3f})")
        for probe in audit.probes
        if audit.beats_constant(probe)
    ]
    if telling:
        found.append(
            f"in the raw files, test accuracy of {', '.join(telling)} "
            f"(a constant reaches {audit.best_constant:.3f})"
        )
    return f"{audit.corpus}: {'; '.join(found)}" if found else ""

"""Describe an audit in words."""

from collections.abc import Iterator, Sequence

from scipy.stats import binomtest

from rnn_bench.config.errors import format_ends, printable
from rnn_bench.data.audit.probes import CONFIDENCE
from rnn_bench.data.audit.results import CorpusAudit, ProbeResult, TellingWords

LONGEST_WORD = 24  # characters; the end of a longer one is left out


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
    for probe in audit.all_probes:
        if probe.missing:
            lines.append(f"{probe.name:20}{'':14}  not computed: {probe.missing}")
        else:
            interval = f"{probe.low:.3f} to {probe.high:.3f}"
            auc = "" if probe.auc is None else f"{probe.auc:7.3f}"
            others = f"{probe.balanced_accuracy:10.3f}{auc}"
            lines.append(f"{probe.name:20}{probe.accuracy:14.3f}  {interval}{others}")
    if audit.telling_words:
        lines += _word_lines(audit.telling_words)
    cuts = _cut_lines(audit)
    return "\n".join([*lines, *[""] * bool(cuts), *cuts])


def _word_lines(telling: TellingWords) -> Iterator[str]:
    """Yield a line for each class that has telling words, below a title."""
    yield from ("", "telling words, with the share of the class's and of the other test articles")
    width = max(map(len, telling.words))
    for name, words in telling.words.items():
        shares = (
            f"{_shortened(each.word)} {_percent(each.test)} {_percent(each.test_others)}"
            for each in words
        )
        yield f"{name:{width}}   {'   '.join(shares) or 'none'}"


def _cut_lines(audit: CorpusAudit) -> list[str]:
    """Return a line for each split whose articles the dateline rule shortened."""
    return [
        f"dateline rule: shortens {cuts.articles:,} {split} articles, {cuts.beyond:,} of them by "
        f"over {cuts.limit} characters, up to {cuts.longest:,}"
        for split, cuts in audit.dateline_cuts.items()
    ]


def _shortened(word: str) -> str:
    return printable(word if len(word) <= LONGEST_WORD else f"{word[: LONGEST_WORD - 3]}...")


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def findings(*audits: CorpusAudit) -> str:
    """Return a line on what is wrong with a corpus, or "". Of a corpus with several splits, of
    which there is an audit each, it has the lowest and the highest of every number. A probe is
    named if its confidence interval lies above the best that a constant can do, on most splits or
    over the test articles of all."""
    found = [
        f"{what} are left out" for what in dict.fromkeys(each.left_out for each in audits) if what
    ]
    tested = format_ends(each.splits["test"].articles for each in audits)
    for what, counts in (
        ("also stand in the training file", [each.duplicates.test_in_train for each in audits]),
        (
            "are near duplicates of training articles",
            [each.near_duplicates.test_in_train for each in audits],
        ),
    ):
        if any(counts):
            found.append(f"{format_ends(counts)} of {tested} test articles {what}")
    contradicting = [each.duplicates.contradicting for each in audits]
    if any(contradicting):
        found.append(
            f"{format_ends(contradicting)} articles have a text that also has another label"
        )
    cuts = [each.dateline_cuts["train"] for each in audits if "train" in each.dateline_cuts]
    if any(each.beyond for each in cuts):
        found.append(
            f"the dateline rule takes over {cuts[0].limit} characters from "
            f"{format_ends(each.beyond for each in cuts)} training articles"
        )
    if telling := [*_telling_probes(audits)]:
        found.append(
            f"in the raw files, test accuracy of {', '.join(telling)} "
            f"(a constant reaches {format_ends((each.best_constant for each in audits), '.3f')})"
        )
    splits = f", {len(audits)} splits" * (len(audits) > 1)
    return f"{audits[0].corpus}{splits}: {'; '.join(found)}" if found else ""


def _telling_probes(audits: Sequence[CorpusAudit]) -> Iterator[str]:
    """Yield name, accuracy and AUC of each probe that beats the best constant: on most splits, or
    with the test articles of all splits together. Some audits may lack it."""
    for name in dict.fromkeys(probe.name for audit in audits for probe in audit.probes):
        found = [(each, probe) for each in audits for probe in each.probes if probe.name == name]
        beaten = sum(audit.beats_constant(probe) for audit, probe in found)
        if 2 * beaten > len(found) or _beat_together(found):
            accuracies = [each.accuracy for _, each in found if each.accuracy is not None]
            aucs = [each.auc for _, each in found if each.auc is not None]
            auc = f" (AUC {format_ends(aucs, '.3f')})" if aucs else ""
            which = f" on {len(found)} of them" if len(found) < len(audits) else ""
            yield f"{name} {format_ends(accuracies, '.3f')}{auc}{which}"


def _beat_together(probes: Sequence[tuple[CorpusAudit, ProbeResult]]) -> bool:
    """Return whether Wilson's interval of a probe's accuracy over all splits' test articles lies
    above what the best constants of the splits reach on them."""
    found = [
        (each.n, each.n * each.accuracy, each.n * audit.best_constant)
        for audit, each in probes
        if each.n and each.accuracy is not None
    ]
    if not found:
        return False
    articles, right, constant = map(sum, zip(*found, strict=True))
    interval = binomtest(round(right), round(articles)).proportion_ci(CONFIDENCE, method="wilson")
    return bool(interval.low > constant / articles)

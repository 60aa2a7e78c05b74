"""The section on the audit of the data."""

import math
from collections.abc import Sequence
from dataclasses import replace

from rnn_bench.data.audit.results import CorpusAudit
from rnn_bench.data.audit.summary import findings
from rnn_bench.report.analysis import Results
from rnn_bench.report.contents import Section, Table
from rnn_bench.report.formatting import format_number

Row = Sequence[str]
QUARTILES = ("min", "q25", "median", "q75", "max")


def audit_section(results: Results) -> Section | None:
    """Return the audits of the sweep's corpora: the tables of each corpus's first split, and of a
    corpus with several splits a sentence on all of them. Corpora with the same articles share
    one."""
    by_corpus: dict[str, dict[str, CorpusAudit]] = {}
    for (corpus, split), audit in results.audits_by_split.items():
        by_corpus.setdefault(corpus, {})[split] = replace(audit, corpus=corpus)
    audits: dict[str, tuple[str, CorpusAudit]] = {}  # name with split, and audit, by fingerprint
    for corpus, splits in by_corpus.items():
        split, audit = next(iter(splits.items()))
        audits[audit.fingerprint] = (", ".join(filter(None, (corpus, split))), audit)
    lines = list[str]()
    for _, shown in audits.values():
        splits = by_corpus[shown.corpus]
        if len(splits) > 1 and (line := findings(*splits.values())):
            split = next(iter(splits)) or "the split of the files"
            lines.append(f"{line}. Below is {split} alone.")
    if not audits:
        return None
    sizes, duplicates, probes = list[Row](), list[Row](), list[Row]()
    words = list[Row]()
    methods = dict.fromkeys(audit.near_duplicates.method for _, audit in audits.values())
    for corpus, audit in audits.values():
        sizes += size_rows(corpus, audit)
        duplicates += duplicate_rows(corpus, audit)
        probes += probe_rows(corpus, audit)
        words += word_rows(corpus, audit)
        lines += cut_sentences(corpus, audit)
    tables = [
        Table(
            "probes",
            "Classifiers that see one property of an article alone",
            (
                *("corpus", "what is read", "", "test accuracy", "95 % interval"),
                *("balanced accuracy", "AUC", "test articles"),
            ),
            probes,
            words=3,
            note="Simple classifiers that see one thing only, with Wilson's interval over test "
            "articles. Where it lies above the share of the largest class, the best that a "
            "constant can do, labels can be guessed without reading. So can they where the "
            "99 % interval of balanced accuracy, the mean of the classes' recalls, or of AUC lies "
            "above a constant's: one over the classes, and a half. Telling words may be what the "
            "classes are about; none of the other properties should tell them apart.",
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
                f" Left out of {corpus}, because they stand there twice, or their text or label is "
                f"empty: {audit.left_out}."
                for corpus, audit in audits.values()
                if audit.left_out
            ),
        ),
    ]
    if words:
        tables.append(word_table(words))
    return Section("audit", "Audit of the data", text=lines, tables=tables)


def size_rows(corpus: str, audit: CorpusAudit) -> list[Row]:
    """Return a row for each split and class."""
    return [
        (
            *(corpus, split, name, f"{count:,}", f"{count / max(sizes.articles, 1):.1%}"),
            *(format_number(getattr(sizes.words.get(name), key, math.nan), 0) for key in QUARTILES),
        )
        for split, sizes in audit.splits.items()
        for name, count in sizes.classes.items()
    ]


def probe_rows(corpus: str, audit: CorpusAudit) -> list[Row]:
    """Return a row for the best constant and for each probe."""
    articles = f"{audit.splits['test'].articles:,}"
    constant = format_number(audit.best_constant)
    rows: list[Row] = [(corpus, "nothing: the best constant", "", constant, "", "", "", articles)]
    for probe in audit.all_probes:
        if probe.accuracy is None:
            rows.append((corpus, probe.name, f"not computed: {probe.missing}", *[""] * 5))
            continue
        finding = "tells the classes apart" if audit.beats_constant(probe) else ""
        interval = f"{probe.low:.4f} to {probe.high:.4f}"
        others = (
            format_number(math.nan if value is None else value)
            for value in (probe.balanced_accuracy, probe.auc)
        )
        rows.append(
            (
                *(corpus, probe.name, finding, format_number(probe.accuracy), interval),
                *(*others, f"{probe.n:,}"),
            )
        )
    return rows


def word_table(rows: list[Row]) -> Table:
    """Return the table of telling words."""
    return Table(
        "words",
        "Telling words, and the share of articles that have them",
        (
            *("corpus", "class", "word", "train", "train, other classes"),
            *("test", "test, other classes", "bits"),
        ),
        rows,
        words=3,
        note="Tokens whose presence tells the most of a class in the training articles, by mutual "
        "information in bits. Such as chance may have chosen (at a level of 1 % for all tokens and "
        "classes together) are left out.",
    )


def word_rows(corpus: str, audit: CorpusAudit) -> list[Row]:
    """Return a row for each telling word of each class."""
    if not audit.telling_words:
        return []
    return [
        (
            *(corpus, name, each.word),
            *map(format_share, (each.train, each.train_others, each.test, each.test_others)),
            format_number(each.information),
        )
        for name, words in audit.telling_words.words.items()
        for each in words
    ]


def format_share(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def cut_sentences(corpus: str, audit: CorpusAudit) -> list[str]:
    """Return a sentence on what the study's rule for datelines took from each split's articles."""
    return [
        f"The dateline rule shortens {cuts.articles:,} {split} articles of {corpus}, by "
        f"{cuts.longest:,} characters at most; {cuts.beyond:,} lose over {cuts.limit}, and so more "
        "than a dateline."
        for split, cuts in audit.dateline_cuts.items()
    ]


def duplicate_rows(corpus: str, audit: CorpusAudit) -> list[Row]:
    """Return a row for equal and one for similar articles."""
    exact, near = audit.duplicates, audit.near_duplicates
    return [
        (
            *(corpus, "equal", f"{exact.within_train:,}", f"{exact.within_test:,}"),
            *(f"{exact.test_in_train:,}", f"{exact.contradicting:,}"),
        ),
        (
            *(corpus, "nearly equal", f"{near.within_train:,}", f"{near.within_test:,}"),
            *(f"{near.test_in_train:,}", ""),
        ),
    ]

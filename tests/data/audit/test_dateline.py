"""Datelines, and what the study's rule for them takes away."""

from pathlib import Path

import pytest

from rnn_bench.data.audit import audit_articles
from rnn_bench.data.audit.dateline import dateline
from rnn_bench.data.audit.results import CorpusAudit, DatelineCuts
from rnn_bench.data.audit.summary import findings, summary
from rnn_bench.data.corpora.study import StudyCorpus
from rnn_bench.data.corpora.study_files import write_preprocessed
from tests.data.planted import articles, write, write_raw_isot

SENTENCE = "All of them voted " * 10


def audit_of_isot(folder: Path, dateline: str = "removed") -> CorpusAudit:
    return audit_articles(StudyCorpus("isot", folder, dateline).read(), "isot")


@pytest.fixture
def isot(tmp_path: Path) -> Path:
    """Twenty true articles with a dateline, five with a dash in their first sentence alone, five
    with none; and thirty fake ones, all with a dash late in their first sentence."""
    write_raw_isot(tmp_path)
    starts = [*["ROME (Reuters) - "] * 20, *[f"{SENTENCE}- "] * 5, *[""] * 5]
    for name, starting in (("True.csv", starts), ("Fake.csv", [f"{SENTENCE}- "] * 30)):
        texts = [start + text for start, (text, _) in zip(starting, articles(30, 7), strict=True)]
        rows = [(f"title{i}", text, "world", "May 1, 2017") for i, text in enumerate(texts)]
        write(tmp_path / "isot" / "raw" / name, rows, ("title", "text", "subject", "date"))
    return tmp_path


def test_a_dash_late_in_a_sentence_is_no_dateline() -> None:
    assert dateline("WASHINGTON (Reuters) - The senate - voted.") == "WASHINGTON (Reuters) - "
    assert dateline(f"{SENTENCE}- twice.") == ""
    assert dateline("No dash at all.") == ""


def test_what_the_rule_takes_from_true_articles_is_counted(isot: Path) -> None:
    audit = audit_of_isot(isot)
    cuts = audit.dateline_cuts
    assert [*cuts] == ["train", "test"]
    assert sum(split.articles for split in cuts.values()) == 25
    assert sum(split.beyond for split in cuts.values()) == 5
    assert {(split.limit, split.longest) for split in cuts.values()} == {(100, 182)}
    train = cuts["train"]
    assert (
        f"dateline rule: shortens {train.articles} train articles, {train.beyond} of them by over "
        "100 characters, up to 182"
    ) in summary(audit)
    taken = f"the dateline rule takes over 100 characters from {train.beyond} training articles"
    assert taken in findings(audit)


def test_the_cuts_are_counted_from_the_raw_files_beside_preprocessed_ones(isot: Path) -> None:
    before = audit_of_isot(isot).dateline_cuts
    write_preprocessed("isot", isot)
    assert audit_of_isot(isot).dateline_cuts == before
    (isot / "isot" / "raw" / "True.csv").unlink()
    assert audit_of_isot(isot).dateline_cuts == {}


def test_a_rule_that_is_not_applied_cuts_nothing(isot: Path) -> None:
    audit = audit_of_isot(isot, "kept")
    assert audit.dateline_cuts == {}
    assert "dateline rule" not in summary(audit) + findings(audit)


def test_datelines_alone_are_no_fault_of_the_rule(tmp_path: Path) -> None:
    write_raw_isot(tmp_path)
    audit = audit_of_isot(tmp_path)
    length = len("ROME (Reuters) - ")
    assert audit.dateline_cuts["train"] == DatelineCuts(
        articles=audit.splits["train"].classes["real"], limit=100, beyond=0, longest=length
    )
    assert "dateline rule" not in findings(audit)

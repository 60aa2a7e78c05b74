"""The section on the audit of the data."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from rnn_bench.data.audit.results import DatelineCuts
from rnn_bench.report.sections.audit import cut_sentences, probe_rows, word_rows
from tests.conftest import Command
from tests.data.planted import articles, audit_of, write


@pytest.mark.usefixtures("audited", "reported")
def test_the_report_lists_the_telling_words_of_each_class(
    rnn_bench: Command, workplace: Path
) -> None:
    for name, seed in (("train.csv", 0), ("test.csv", 1)):
        rows = [(f"reuters {t}" if c == "real" else t, c) for t, c in articles(100, seed)]
        write(workplace / name, rows)
    files = ("dataset.train=train.csv", "dataset.test=test.csv")
    assert rnn_bench("model=majority", "dataset=table", *files, "-m").status == 0
    (folder,) = (workplace / "reports").iterdir()
    (word,) = pd.read_csv(folder / "tables/words.csv").to_dict("records")
    bits = word.pop("bits")
    assert 0.9 < bits <= 1  # all that the label has
    assert word == {
        **{"corpus": "train", "class": "real", "word": "reuters"},
        **{"train": "100.0%", "train, other classes": "0.0%"},
        **{"test": "100.0%", "test, other classes": "0.0%"},
    }
    probes = pd.read_csv(folder / "tables/probes.csv").set_index("what is read")
    assert probes.loc["telling words", "test accuracy"] == 1
    assert "Telling words, and the share of articles" in (folder / "index.html").read_text()


def test_an_audit_of_before_there_were_telling_words_has_no_rows_of_them(tmp_path: Path) -> None:
    audit = audit_of(tmp_path, articles(60, 0), articles(30, 1))
    older = replace(audit, telling_words=None)
    assert word_rows("mine", older) == []
    assert len(probe_rows("mine", older)) == len(probe_rows("mine", audit)) - 1


def test_what_the_dateline_rule_took_is_said_of_each_split(tmp_path: Path) -> None:
    audit = audit_of(tmp_path, articles(60, 0), articles(30, 1))
    assert cut_sentences("mine", audit) == []
    cuts = {"train": DatelineCuts(articles=2677, limit=100, beyond=28, longest=477)}
    assert cut_sentences("isot", replace(audit, dateline_cuts=cuts)) == [
        "The dateline rule shortens 2,677 train articles of isot, by 477 characters at most; 28 "
        "lose over 100, and so more than a dateline."
    ]

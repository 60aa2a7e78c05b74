"""The section on the audit of the data."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import mean

import pandas as pd
import pytest
from mlflow.entities import Run

from rnn_bench.data.audit.results import DatelineCuts
from rnn_bench.report.sections.audit import cut_sentences, probe_rows, word_rows
from rnn_bench.tracking import schema
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


@pytest.mark.usefixtures("audited", "reported")
def test_articles_that_training_shares_are_those_of_each_fold(
    rnn_bench: Command, recorded_runs: Callable[[], list[Run]], workplace: Path
) -> None:
    """Folds have other articles, and one may be an article longer."""
    once = articles(61, 0)
    write(workplace / "mine.csv", once + once[:12])
    folds = ("dataset=table", "dataset.train=mine.csv", "dataset.folds=3", "dataset.fold=0,1,2")
    assert rnn_bench("-m", "model=majority", *folds).status == 0
    (folder,) = (workplace / "reports").iterdir()
    (row,) = pd.read_csv(folder / "tables/evaluation.csv").to_dict("records")
    duplicates = pd.read_csv(folder / "tables/duplicates.csv")
    assert set(duplicates["corpus"]) == {"mine, fold 0"}
    page = (folder / "report.md").read_text()
    assert re.search(r"mine, 3 splits: \d+ to \d+ of 24 to 25 test articles also stand in", page)
    assert page.count("Below is fold 0 alone.") == 1
    unshared, right = [], []
    for run in recorded_runs():
        folder = Path(run.info.artifact_uri.removeprefix("file://"))
        answers = pd.read_csv(folder / schema.PREDICTIONS_FILE)
        shared = json.loads((folder / schema.AUDIT_FILE).read_text())["test_articles_in_train"]
        own = answers.drop(index=[int(each) for each in shared])
        unshared.append(len(own))
        right.append((own["label"] == own["prediction"]).mean())
    assert len({*unshared}) > 1
    assert row["unshared articles"] == f"{min(unshared)} to {max(unshared)}"
    assert row["accuracy on unshared"] == pytest.approx(mean(right), abs=1e-4)

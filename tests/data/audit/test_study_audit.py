"""The audit of the study's corpora, whose raw files tell more than the articles."""

from pathlib import Path

import pandas as pd
import pytest

from rnn_bench.data.audit import audit_articles
from rnn_bench.data.audit.results import ExactDuplicates
from rnn_bench.data.corpora.study import StudyCorpus
from rnn_bench.data.corpora.study_files import prepare, write_preprocessed
from tests.data.planted import probe, write_raw_isot


def test_with_preprocessed_files_alone_the_probes_say_what_they_need(tmp_path: Path) -> None:
    write_raw_isot(tmp_path)
    write_preprocessed("isot", tmp_path)
    with_raw = audit_articles(StudyCorpus("isot", tmp_path).read(), "isot")
    assert probe(with_raw, "subject alone").accuracy == 1
    (tmp_path / "isot" / "raw" / "Fake.csv").unlink()
    without = audit_articles(StudyCorpus("isot", tmp_path).read(), "isot")
    for name in ("dateline alone", "subject alone", "date alone"):
        assert probe(without, name).missing == "the raw file Fake.csv is not there"
    assert probe(without, "length alone") == probe(with_raw, "length alone")


# An inverted index of the shingles, without MinHash, counts the same near duplicates.
def test_the_real_sample(articles: Path) -> None:
    found = audit_articles(StudyCorpus("isot", articles).read(), "isot")
    files = [articles / "isot" / "raw" / name for name in ("True.csv", "Fake.csv")]
    train, test = (pd.DataFrame(split) for split in prepare("isot", files)[:2])
    assert found.duplicates == ExactDuplicates(
        within_train=int(train["text"].duplicated().sum()),
        within_test=int(test["text"].duplicated().sum()),
        test_in_train=int(test["text"].isin(train["text"]).sum()),
        contradicting=0,
    )
    near = found.near_duplicates
    assert (near.within_train, near.within_test, near.test_in_train) == (9, 0, 4)
    assert found.splits["test"].classes == {"fake": 656, "real": 695}
    assert probe(found, "dateline alone").accuracy > 0.99
    assert probe(found, "subject alone").accuracy == 1
    assert 0.58 < probe(found, "length alone").accuracy < 0.65
    telling = found.telling_words
    assert telling
    assert telling.probe.accuracy == pytest.approx(0.94, abs=0.001)
    (reuters,) = (each for each in telling.words["real"] if each.word == "reuters")
    assert (reuters.test, reuters.test_others) == pytest.approx((0.219, 0.012), abs=0.001)
    raw = pd.read_csv(files[0], dtype=str, keep_default_na=False)["text"].str.split("\n").str[0]
    start = raw.str.extract(r"^(.*?-\s+)")[0].str.len()
    in_train = raw.index.isin(train.index)
    assert [
        (cuts.articles, cuts.beyond, cuts.longest) for cuts in found.dateline_cuts.values()
    ] == [
        (own.notna().sum(), (own > 100).sum(), own.max())
        for own in (start[in_train], start[~in_train])
    ]
    assert found.dateline_cuts["train"].beyond == 28

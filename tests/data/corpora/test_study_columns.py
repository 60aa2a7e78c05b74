"""What the raw files say of an article beside its text."""

from pathlib import Path

import pytest

from rnn_bench.data.corpora.study import StudyCorpus
from rnn_bench.data.corpora.study_files import write_preprocessed
from rnn_bench.data.corpus import DataError
from tests.data.planted import write, write_raw_isot


@pytest.mark.parametrize("preprocessed", [False, True])
def test_the_columns_are_those_of_the_articles(tmp_path: Path, preprocessed: bool) -> None:
    write_raw_isot(tmp_path)
    if preprocessed:
        write_preprocessed("isot", tmp_path)
    articles = StudyCorpus("isot", tmp_path).read()
    columns = articles.columns()
    assert [*columns] == ["text", "removed", "subject", "date"]
    for split, (texts, labels) in enumerate((articles.train, articles.test)):
        raw_texts, removed = columns["text"][split], columns["removed"][split]
        for text, raw, cut in zip(texts, raw_texts, removed, strict=True):
            assert raw.removeprefix("ROME (Reuters) - ") in text
            assert raw.startswith(cut)
            assert bool(cut) == raw.startswith("ROME")
        subjects = columns["subject"][split]
        assert subjects == ["worldnews" if label else "left-news" for label in labels]


def test_preprocessed_files_are_read_without_the_raw_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_raw_isot(tmp_path)
    write_preprocessed("isot", tmp_path)
    monkeypatch.setattr(
        "rnn_bench.data.corpora.study.prepare", lambda *files: pytest.fail("reads raw files")
    )
    assert StudyCorpus("isot", tmp_path).read().cleaning == "study"


def test_columns_are_not_given_to_other_articles(tmp_path: Path) -> None:
    write_raw_isot(tmp_path)
    write_preprocessed("isot", tmp_path)
    file = tmp_path / "isot" / "preprocessed" / "train.csv"
    write(file, [("another", "0"), ("article", "1")])
    with pytest.raises(DataError, match="other articles than the preprocessed"):
        StudyCorpus("isot", tmp_path).read().columns()

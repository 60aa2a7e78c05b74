import csv
from pathlib import Path

import pytest

from rnn_bench.data.corpora import editions
from rnn_bench.data.corpora.editions import blob_id
from rnn_bench.data.corpora.study import StudyCorpus
from rnn_bench.data.corpora.study_files import write_preprocessed
from rnn_bench.data.corpus import DataError, MissingCorpus
from tests.data.corpora.conftest import FAKE, TRUE


def all_texts(corpus: StudyCorpus) -> list[str]:
    articles = corpus.read()
    return [*articles.train[0], *articles.test[0]]


def test_the_dateline_is_removed_from_true_articles_alone(isot: Path) -> None:
    texts = all_texts(StudyCorpus("isot", isot))
    assert "true title 0 the senate  again  voted" in texts
    assert "fake title 0 city  not so" in texts


def test_a_dateline_is_looked_for_in_the_first_line_only(isot: Path) -> None:
    assert "true title 1 body of 2 lines\nhere  it is" in all_texts(StudyCorpus("isot", isot))


def test_kept_datelines_are_read_from_the_raw_files(isot: Path) -> None:
    write_preprocessed("isot", isot)
    kept = StudyCorpus("isot", isot, "kept")
    assert "true title 0 washington reuters  the senate  again  voted" in all_texts(kept)
    removed = StudyCorpus("isot", isot)
    assert kept.read().test[1] == removed.read().test[1]
    assert kept.identity() != removed.identity()


def test_preprocessed_files_have_no_datelines_to_keep(isot: Path) -> None:
    write_preprocessed("isot", isot)
    for path in (isot / "isot" / "raw").iterdir():
        path.unlink()
    with pytest.raises(DataError, match="dateline=kept needs the raw files"):
        StudyCorpus("isot", isot, "kept").read()


def test_without_any_files_kept_datelines_can_be_fetched(tmp_path: Path) -> None:
    with pytest.raises(MissingCorpus):
        StudyCorpus("isot", tmp_path, "kept").files()


def test_a_blank_body_is_an_article_of_its_title(isot: Path) -> None:
    assert "fake title 3  " in all_texts(StudyCorpus("isot", isot))


def test_a_fifth_is_test_and_the_split_is_that_of_scikit_learn(isot: Path) -> None:
    from sklearn.model_selection import train_test_split

    articles = StudyCorpus("isot", isot).read()
    order, _ = train_test_split(range(20), test_size=0.2, random_state=99)
    assert articles.train[1] == [int(i < 10) for i in order]
    assert (len(articles.train[0]), len(articles.test[0])) == (16, 4)
    assert articles.classes == ("fake", "real")


def test_preprocessed_files_give_the_same_articles_as_raw_ones(isot: Path) -> None:
    from_raw = StudyCorpus("isot", isot).read()
    write_preprocessed("isot", isot)
    corpus = StudyCorpus("isot", isot)
    assert corpus.files()[0].parent.name == "preprocessed"
    assert corpus.read() == from_raw


def test_a_text_that_csv_does_not_keep_is_not_written(isot: Path) -> None:
    file = isot / "isot" / "raw" / "Fake.csv"
    FAKE.assign(text="one\rtwo").to_csv(file, index=False, quoting=csv.QUOTE_ALL)
    with pytest.raises(DataError, match="lone carriage return"):
        write_preprocessed("isot", isot)
    assert [*(isot / "isot" / "preprocessed").iterdir()] == []
    assert "fake title 3 one\rtwo" in all_texts(StudyCorpus("isot", isot))


def test_fewer_articles_than_published_are_a_sample(isot: Path) -> None:
    assert StudyCorpus("isot", isot).read().edition == "sample"


def test_the_published_files_are_known_by_their_blob_ids(
    isot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = isot / "isot" / "raw"
    for name in ("True.csv", "Fake.csv"):
        monkeypatch.setitem(editions.PUBLISHED, f"isot/raw/{name}", blob_id(raw / name))
    assert StudyCorpus("isot", isot).read().edition == "published"


def test_as_many_articles_in_other_files_are_another_edition(
    isot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(editions, "PUBLISHED_ARTICLES", {"isot": 20})
    assert StudyCorpus("isot", isot).read().edition == "other"


def test_no_files_at_all_says_what_to_bring(tmp_path: Path) -> None:
    with pytest.raises(MissingCorpus, match=r"True\.csv and .*Fake\.csv not found"):
        StudyCorpus("isot", tmp_path).files()


def test_one_of_two_files_names_the_missing_one(isot: Path) -> None:
    (isot / "isot" / "raw" / "Fake.csv").unlink()
    with pytest.raises(DataError, match=r"Fake\.csv is missing, beside True\.csv"):
        StudyCorpus("isot", isot).files()


def test_a_preprocessed_label_that_is_no_class_is_named(isot: Path) -> None:
    write_preprocessed("isot", isot)
    (isot / "isot" / "preprocessed" / "test.csv").write_text("text,label\na,2\n")
    with pytest.raises(DataError, match="'2' is neither 0"):
        StudyCorpus("isot", isot).read()


def test_too_few_raw_articles_are_refused(isot: Path) -> None:
    for name in ("True.csv", "Fake.csv"):
        TRUE.head(1).to_csv(isot / "isot" / "raw" / name, index=False)
    with pytest.raises(DataError, match="too few to split"):
        StudyCorpus("isot", isot).read()


def test_the_real_sample_is_read_whole(articles: Path) -> None:
    isot = StudyCorpus("isot", articles).read()
    assert (len(isot.train[0]), len(isot.test[0]), isot.edition) == (5400, 1351, "sample")
    kaggle = StudyCorpus("kaggle", articles).read()
    assert (len(kaggle.train[0]), len(kaggle.test[0]), kaggle.edition) == (204, 52, "sample")

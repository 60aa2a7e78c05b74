from dataclasses import replace
from pathlib import Path

import pytest

from rnn_bench.data.corpora.table import TableCorpus
from rnn_bench.data.corpus import DataError


@pytest.fixture
def corpus(tmp_path: Path) -> TableCorpus:
    return TableCorpus(
        train=str(tmp_path / "train.csv"),
        test=None,
        test_fraction=0.25,
        text_column="text",
        label_column="label",
        cleaning="lower",
        drop_bad_rows=False,
        data_dir=tmp_path,
    )


def write(path: str, content: str | bytes) -> None:
    Path(path).write_bytes(content.encode() if isinstance(content, str) else content)


GOOD = "text,label\n" + "Good DAY,yes\nBad night,no\n" * 8


def test_one_file_is_split_with_equal_class_shares(corpus: TableCorpus) -> None:
    write(corpus.train, GOOD)
    articles = corpus.read()
    assert articles.classes == ("no", "yes")
    assert (len(articles.train[0]), len(articles.test[0])) == (12, 4)
    assert sorted(articles.test[1]) == [0, 0, 1, 1]
    assert set(articles.train[0]) == {"good day", "bad night"}


def test_a_test_file_is_taken_as_it_is(corpus: TableCorpus) -> None:
    corpus = replace(corpus, test=f"{corpus.train}-test")
    write(corpus.train, GOOD)
    write(str(corpus.test), "text,label\nWhat,no\n")
    assert corpus.read().test == (["what"], [0])


def test_columns_may_have_any_name_and_others_are_ignored(corpus: TableCorpus) -> None:
    corpus = replace(corpus, text_column="Kommentar, voll", label_column="stars")
    write(corpus.train, 'id,"Kommentar, voll",stars\n' + "1,gut,5\n2,naja,3\n3,schlecht,1\n" * 4)
    assert corpus.read().classes == ("1", "3", "5")


def test_number_labels_are_sorted_as_numbers(corpus: TableCorpus) -> None:
    write(corpus.train, "text,label\n" + "a,10\nb,9\nc,-1\n" * 4)
    assert corpus.read().classes == ("-1", "9", "10")


def test_any_language_is_kept(corpus: TableCorpus) -> None:
    write(corpus.train, "text,label\n" + "Добрый День,да\n世界 你好,нет\n" * 4)
    assert set(corpus.read().train[0]) == {"добрый день", "世界 你好"}


@pytest.mark.parametrize(
    ("cleaning", "text"), [("none", "It's É!"), ("lower", "it's é!"), ("study", "its ")]
)
def test_cleaning_is_chosen(cleaning: str, text: str, corpus: TableCorpus) -> None:
    write(corpus.train, "text,label\n" + "It's É!,1\nB,0\n" * 4)
    articles = replace(corpus, cleaning=cleaning).read()
    assert text in articles.train[0]
    assert articles.cleaning == cleaning


def test_na_and_null_are_words(corpus: TableCorpus) -> None:
    write(corpus.train, "text,label\n" + "NA,null\nnan,None\n" * 4)
    articles = corpus.read()
    assert articles.classes == ("None", "null")
    assert set(articles.train[0]) == {"na", "nan"}


@pytest.mark.parametrize("row", [",yes", "text,"])
def test_bad_rows_are_counted_and_the_first_is_named(row: str, corpus: TableCorpus) -> None:
    write(corpus.train, f"{GOOD}{row}\n{row}\n")
    with pytest.raises(DataError, match=r"2 bad rows of 18; the first is row 17") as error:
        corpus.read()
    assert "dataset.drop_bad_rows=true" in str(error.value)


def test_bad_rows_are_dropped_on_request(corpus: TableCorpus) -> None:
    write(corpus.train, f"{GOOD},yes\n")
    dropping = replace(corpus, drop_bad_rows=True)
    articles = dropping.read()
    assert len(articles.train[0]) + len(articles.test[0]) == 16
    assert articles.left_out == f"1 of 17 rows of {Path(corpus.train).name}"


def test_bad_rows_of_both_files_are_counted(corpus: TableCorpus) -> None:
    corpus = replace(corpus, test=f"{corpus.train}-test", drop_bad_rows=True)
    write(corpus.train, f"{GOOD},yes\n")
    write(str(corpus.test), "text,label\nWhat,no\nWhat,\n")
    assert corpus.read().left_out == "1 of 17 rows of train.csv and 1 of 2 rows of train.csv-test"


def test_without_bad_rows_nothing_is_left_out(corpus: TableCorpus) -> None:
    write(corpus.train, GOOD)
    assert replace(corpus, drop_bad_rows=True).read().left_out == ""


def test_the_columns_are_those_of_the_articles_before_cleaning(corpus: TableCorpus) -> None:
    rows = "".join(f"Word{i},{i % 2},day {i}\n" for i in range(20))
    write(corpus.train, f"text,label,date\n{rows}")
    articles = corpus.read()
    columns = articles.columns()
    assert sorted(columns) == ["date", "text"]
    for split, (texts, _) in enumerate((articles.train, articles.test)):
        assert [text.lower() for text in columns["text"][split]] == texts
        assert columns["date"][split] == [text.replace("word", "day ") for text in texts]


def test_the_label_is_no_column(corpus: TableCorpus) -> None:
    write(corpus.train, "text,subject\n" + "a,1\nb,0\n" * 4)
    assert [*replace(corpus, label_column="subject").read().columns()] == ["text"]


BAD = [
    ("text,label\n,a\n", "no row with a text and a label"),
    ("", "is empty"),
    ("text,label\n", "has a header and no rows"),
    ("body,label\na,b\n", "has no column 'text'. Its columns: 'body', 'label'"),
    (b"text,label\ncaf\xe9,1\n", "dataset.encoding=windows-1252"),
    ("text,label\na,1\n".encode("utf-16-le"), "dataset.encoding=utf-16-le"),
    ('text,label\n"a,b\n', "is not a CSV table"),
    ("text,label\na,b,c,d\ne\n", "is not a CSV table"),
    ("text,label\na,1\nb,1\n", "one class only, '1'"),
    ("text,label\na,1\nb,1\nc,0\n", "too small to split"),
    ("text,label\na,1\nb,1\nc,0\nd,0\ne,2\nf,2\ng,3\nh,3\n", None),
    ("text,label\na,1\nb,0\n", "too small to split"),
]


@pytest.mark.parametrize(("content", "says"), BAD)
def test_an_unfit_file_is_refused_with_the_reason(
    content: str | bytes, says: str | None, corpus: TableCorpus
) -> None:
    write(corpus.train, content)
    if says is None:
        assert len(corpus.read().test[0]) == 4
        return
    with pytest.raises(DataError, match=says.replace(".", r"\.")) as error:
        replace(corpus, drop_bad_rows=says.startswith("no row")).read()
    assert corpus.train in str(error.value)


def test_a_file_that_is_not_there_is_named_with_the_folder(corpus: TableCorpus) -> None:
    with pytest.raises(DataError, match=r"train\.csv does not exist \(looked for in "):
        corpus.identity()
    with pytest.raises(DataError, match=r"train\.csv does not exist"):
        corpus.read()


def test_a_folder_without_classes_is_refused(corpus: TableCorpus) -> None:
    Path(corpus.train).mkdir()
    for read in (corpus.identity, corpus.read):
        with pytest.raises(DataError, match=r"train\.csv is a folder without classes"):
            read()


def test_a_label_that_training_lacks_is_named(corpus: TableCorpus) -> None:
    corpus = replace(corpus, test=f"{corpus.train}-test")
    write(corpus.train, GOOD)
    write(str(corpus.test), "text,label\nWhat,perhaps\n")
    with pytest.raises(DataError, match=r"the label 'perhaps', which .*train\.csv lacks"):
        corpus.read()

"""Read the files of the study's two corpora, and prepare raw ones by its exact rules."""

import re
from contextlib import ExitStack
from pathlib import Path

import pandas as pd

from rnn_bench.data.cleaning import clean_like_the_study
from rnn_bench.data.corpora.editions import edition
from rnn_bench.data.corpus import DataError
from rnn_bench.data.csv_files import read_csv, require_columns
from rnn_bench.data.splits import split_test_like_the_study
from rnn_bench.files import replaced_atomically

RAW_FILES = {"isot": ("True.csv", "Fake.csv"), "kaggle": ("fake_or_real_news.csv",)}
PREPROCESSED_FILES = ("train.csv", "test.csv")
DATELINE = re.compile(r"^.*?-\s+")  # up to the first dash of the first line


def raw_files(corpus: str, data_dir: Path) -> list[Path]:
    """Return the paths of a corpus's raw files, which need not exist."""
    return [data_dir / corpus / "raw" / file for file in RAW_FILES[corpus]]


def preprocessed_files(corpus: str, data_dir: Path) -> list[Path]:
    """Return the paths of a corpus's preprocessed files, which need not exist."""
    return [data_dir / corpus / "preprocessed" / file for file in PREPROCESSED_FILES]


def read_raw(corpus: str, files: list[Path]) -> pd.DataFrame:
    """Return the articles of raw files in order, with a label that is 1 (real) or 0 (fake).

    Raises:
        DataError: a file is unreadable, lacks a column or has an unknown label.
    """
    if corpus == "isot":
        true, fake = (require_columns(read_csv(path), path, ["title", "text"]) for path in files)
        tables = [true.assign(label=1), fake.assign(label=0)]
        return pd.concat(tables, ignore_index=True, join="inner")
    articles = require_columns(read_csv(files[0]), files[0], ["title", "text", "label"])
    unknown = sorted(set(articles["label"]) - {"REAL", "FAKE"})
    if unknown:
        raise DataError(f"{files[0]}: label {unknown[0]!r} is neither REAL nor FAKE.")
    return articles.assign(label=[int(label == "REAL") for label in articles["label"]])


def prepare(
    corpus: str, files: list[Path], dateline: str = "removed"
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Prepare raw files as the study did.

    ISOT's true articles lose the dateline of their first line, unless it is to be `kept`. Title
    and text are joined by a space and cleaned. A fifth is test, drawn without stratification.

    Returns:
        training articles, test articles (both with the columns text and label) and the table of
        `read_raw`, whose column `removed`, where datelines are, has what each text lost. The index
        of an article is its position in that table.

    Raises:
        DataError: a file is unreadable, lacks a column or has an unknown label, or there are too
            few articles.
    """
    raw = read_raw(corpus, files)
    bodies = raw["text"].tolist()
    if corpus == "isot" and dateline == "removed":
        starts = [
            match.group() if label == 1 and (match := DATELINE.match(body)) else ""
            for body, label in zip(bodies, raw["label"], strict=True)
        ]
        raw = raw.assign(removed=starts)
        bodies = [body[len(start) :] for body, start in zip(bodies, starts, strict=True)]
    titles_and_bodies = zip(raw["title"], bodies, strict=True)
    texts = [clean_like_the_study(f"{title} {body}") for title, body in titles_and_bodies]
    train, test = split_test_like_the_study(len(texts), files[0])
    articles = pd.DataFrame({"text": texts, "label": raw["label"]})
    return articles.iloc[train], articles.iloc[test], raw


def read_preprocessed(path: Path) -> pd.DataFrame:
    """Return the articles of a preprocessed file with the columns text and label.

    Raises:
        DataError: the file is unreadable, lacks a column or has a label other than 0 and 1.
    """
    articles = require_columns(read_csv(path), path, ["text", "label"])[["text", "label"]]
    unknown = sorted(set(articles["label"]) - {"0", "1"})
    if unknown:
        raise DataError(f"{path}: label {unknown[0]!r} is neither 0 (fake) nor 1 (real).")
    return articles.assign(label=articles["label"].astype(int))


def write_preprocessed(corpus: str, data_dir: Path) -> tuple[str, str]:
    """Prepare the raw files and write `<corpus>/preprocessed/{train,test}.csv`.

    Returns:
        the editions of the raw and of the preprocessed files.

    Raises:
        DataError: a raw file is unfit, or a text cannot be written as CSV, because it has a
            carriage return that no line feed follows.
    """
    raw, paths = raw_files(corpus, data_dir), preprocessed_files(corpus, data_dir)
    *splits, _ = prepare(corpus, raw)
    paths[0].parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        parts = [stack.enter_context(replaced_atomically(path)) for path in paths]
        for articles, part in zip(splits, parts, strict=True):
            articles.to_csv(part, index=False, lineterminator="\n")
        if not all(map(_comes_back, splits, parts)):
            raise DataError(
                f"{corpus} cannot be written as CSV: a text has a lone carriage return, which "
                "would not come back as it is. Runs need no preprocessed files: they prepare raw "
                "ones themselves."
            )
    count = sum(map(len, splits))
    return edition(corpus, raw, count), edition(corpus, paths, count)


def _comes_back(articles: pd.DataFrame, path: Path) -> bool:
    try:
        return read_csv(path)["text"].tolist() == articles["text"].tolist()
    except DataError:
        return False

"""The study's two corpora: from their raw files by the study's exact rules, or preprocessed."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from rnn_bench.data.corpus import Articles, Corpus, DataError, clean_like_the_study, file_identity
from rnn_bench.data.csv_files import read_csv, require_columns

CLASSES = ("fake", "real")
DATELINE = re.compile(r"^.*?-\s+")
COLUMNS = ("text", "subject", "date")  # of a raw file, beside what the articles are made of
TEST_FRACTION = 0.2
SPLIT_SEED = 99

RAW_FILES = {"isot": ("True.csv", "Fake.csv"), "kaggle": ("fake_or_real_news.csv",)}
PREPROCESSED_FILES = ("train.csv", "test.csv")

# Git blob ids of the complete, original files.
PUBLISHED = {
    "isot/raw/True.csv": "03805733ab6dea2d4666a05bacc81d40fc6e639d",
    "isot/raw/Fake.csv": "d7058b4f5534fdee5620d1503e79237b82917123",
    "kaggle/raw/fake_or_real_news.csv": "3eb6d94a7fa7efffa1ea856c9dcd3ba686057c84",
    "isot/preprocessed/train.csv": "3d1ead6f13bcc7ae247a3b2109ef1391a29518b9",
    "isot/preprocessed/test.csv": "ea99815a2995587b185a9cd2d38d29ca0fa22a07",
    "kaggle/preprocessed/train.csv": "3486bfe312f8fd33d57ff5928c8cd7bebd4f6848",
    "kaggle/preprocessed/test.csv": "5b4276cbe211abd8808eadca5bda2c719c330f62",
}
# Articles of the complete corpora. Fewer are a sample.
PUBLISHED_ARTICLES = {"isot": 44_898, "kaggle": 6_335}


def raw_files(name: str, data_dir: Path) -> list[Path]:
    return [data_dir / name / "raw" / file for file in RAW_FILES[name]]


def preprocessed_files(name: str, data_dir: Path) -> list[Path]:
    return [data_dir / name / "preprocessed" / file for file in PREPROCESSED_FILES]


def blob_id(path: Path) -> str:
    """What `git hash-object` prints for a file."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def edition(name: str, files: list[Path], articles: int) -> str:
    """'published' if every file is the original to the byte; else 'sample' if there are fewer
    articles than in the original, and 'other' if not."""
    published = {PUBLISHED[f"{name}/{path.parent.name}/{path.name}"] for path in files}
    if published == {blob_id(path) for path in files}:
        return "published"
    return "sample" if articles < PUBLISHED_ARTICLES[name] else "other"


def without_dateline(text: str) -> str:
    return DATELINE.sub("", text)


class MissingCorpus(DataError):
    """None of the files of `corpus` are there; they can be fetched."""

    def __init__(self, corpus: str, data_dir: Path) -> None:
        names = " and ".join(str(path) for path in raw_files(corpus, data_dir))
        super().__init__(
            f"There are no articles of {corpus} in {data_dir}: {names} not found.\n"
            f"Get them with: python -m rnn_bench.data fetch {corpus} data_dir={data_dir}"
        )
        self.corpus = corpus


@dataclass
class StudyCorpus(Corpus):
    """isot or kaggle, in `<data_dir>/<corpus>/preprocessed/{train,test}.csv` where these exist,
    else in the raw files, prepared on the fly.

    `dateline` is removed, by the study's rule, which knows isot's true articles only; or kept,
    which for isot takes the raw files.
    """

    corpus: str
    data_dir: Path
    dateline: str = "removed"

    def files(self) -> list[Path]:
        """The files that the articles are read from.

        Raises:
            MissingCorpus: neither the preprocessed nor the raw files are there.
            DataError: only some of them are; or the datelines are to be kept, and there are only
                preprocessed files, which have none.
        """
        preprocessed = preprocessed_files(self.corpus, self.data_dir)
        raw = raw_files(self.corpus, self.data_dir)
        candidates = [preprocessed, raw]
        if self.corpus == "isot" and self.dateline == "kept":
            if preprocessed[0].is_file() and not any(path.is_file() for path in raw):
                raise DataError(
                    f"The files in {preprocessed[0].parent} have no datelines any more: "
                    "dataset.dateline=kept needs the raw files.\n"
                    f"Get them with: python -m rnn_bench.data fetch isot data_dir={self.data_dir}"
                )
            candidates = [raw]
        for files in candidates:
            there = [path for path in files if path.is_file()]
            if len(there) == len(files):
                return files
            if there:
                missing = next(path for path in files if path not in there)
                raise DataError(
                    f"{missing} is missing, beside {there[0].name}. Bring it, or remove {there[0]}."
                )
        raise MissingCorpus(self.corpus, self.data_dir)

    def identity(self) -> dict[str, Any]:
        raw = [path for path in raw_files(self.corpus, self.data_dir) if path.is_file()]
        return {
            "corpus": self.corpus,
            "dateline": self.dateline,
            "files": file_identity(self.files()),
            "raw": file_identity(raw),  # the columns come from them
        }

    def read(self) -> Articles:
        files = self.files()
        if files[0].parent.name == "preprocessed":
            train, test = (_read_preprocessed(path) for path in files)
        else:
            train, test = prepare(self.corpus, files, self.dateline)
        return Articles(
            train=(train["text"].tolist(), train["label"].tolist()),
            test=(test["text"].tolist(), test["label"].tolist()),
            classes=CLASSES,
            edition=edition(self.corpus, files, len(train) + len(test)),
        )

    def text_cleaning(self) -> str:
        """A raw text is an article's title and text, joined by a space. It keeps its dateline:
        the study removes datelines from true articles alone, and whether an article is true is
        what the model is asked."""
        return "study"

    def columns(self) -> dict[str, tuple[list[str], list[str]]]:
        raw = raw_files(self.corpus, self.data_dir)
        for path in raw:
            if not path.is_file():
                raise DataError(f"the raw file {path.name} is not there")
        table = read_raw(self.corpus, raw)
        splits = prepare(self.corpus, raw, self.dateline)
        if (files := self.files()) != raw:
            for split, path in zip(splits, files, strict=True):
                other = _read_preprocessed(path)
                if not all(split[name].tolist() == other[name].tolist() for name in other):
                    raise DataError("the raw files give other articles than the preprocessed ones")
        return {
            column: (
                table[column].loc[splits[0].index].tolist(),
                table[column].loc[splits[1].index].tolist(),
            )
            for column in COLUMNS
            if column in table
        }


def read_raw(name: str, files: list[Path]) -> pd.DataFrame:
    """The articles of raw files in order, with a label that is 1 (real) or 0 (fake).

    Raises:
        DataError: a file is unreadable or lacks a column.
    """
    if name == "isot":
        true, fake = (require_columns(read_csv(path), path, ["title", "text"]) for path in files)
        tables = [true.assign(label=1), fake.assign(label=0)]
        return pd.concat(tables, ignore_index=True, join="inner")
    articles = require_columns(read_csv(files[0]), files[0], ["title", "text", "label"])
    strange = sorted(set(articles["label"]) - {"REAL", "FAKE"})
    if strange:
        raise DataError(f"{files[0]}: label {strange[0]!r} is neither REAL nor FAKE.")
    return articles.assign(label=[int(label == "REAL") for label in articles["label"]])


def prepare(
    name: str, files: list[Path], dateline: str = "removed"
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The study's preparation of raw files: training and test articles as columns text, label;
    their index is the article's place in the raw files.

    ISOT's true articles lose their first line's dateline, unless it is to be `kept`; title and
    text are joined by a space and cleaned; a fifth is test, drawn without stratification.

    Raises:
        DataError: a file is unreadable or lacks a column.
    """
    from sklearn.model_selection import train_test_split

    articles = read_raw(name, files)
    if name == "isot" and dateline == "removed":
        true = articles["label"] == 1
        articles["text"] = articles["text"].mask(true, articles["text"].map(without_dateline))
    texts = [
        clean_like_the_study(f"{title} {text}")
        for title, text in zip(articles["title"], articles["text"], strict=True)
    ]
    prepared = pd.DataFrame({"text": texts, "label": articles["label"]})
    if len(prepared) < 10:
        raise DataError(f"{files[0]}: {len(prepared)} articles are too few to split.")
    train, test = train_test_split(prepared, test_size=TEST_FRACTION, random_state=SPLIT_SEED)
    return train, test


def write_preprocessed(name: str, data_dir: Path) -> tuple[str, str]:
    """Prepare the raw files and write `<name>/preprocessed/{train,test}.csv`.

    Returns:
        the editions of the raw and of the preprocessed files.

    Raises:
        DataError: a raw file is unfit, or a text would not come back from CSV as it is, which
            is so with a carriage return that no line feed follows.
    """
    raw, written = raw_files(name, data_dir), preprocessed_files(name, data_dir)
    splits = prepare(name, raw)
    written[0].parent.mkdir(parents=True, exist_ok=True)
    parts = [path.with_suffix(".part") for path in written]
    for articles, part in zip(splits, parts, strict=True):
        articles.to_csv(part, index=False, lineterminator="\n")
    if not all(map(_comes_back, splits, parts)):
        for part in parts:
            part.unlink()
        raise DataError(
            f"{name} cannot be written as CSV: a text has a lone carriage return, which would not "
            "come back as it is. Runs need no preprocessed files: they prepare raw ones themselves."
        )
    for part, path in zip(parts, written, strict=True):
        part.replace(path)
    count = sum(map(len, splits))
    return edition(name, raw, count), edition(name, written, count)


def _comes_back(articles: pd.DataFrame, path: Path) -> bool:
    try:
        return read_csv(path)["text"].tolist() == articles["text"].tolist()
    except DataError:
        return False


def _read_preprocessed(path: Path) -> pd.DataFrame:
    articles = require_columns(read_csv(path), path, ["text", "label"])[["text", "label"]]
    strange = sorted(set(articles["label"]) - {"0", "1"})
    if strange:
        raise DataError(f"{path}: label {strange[0]!r} is neither 0 (fake) nor 1 (real).")
    return articles.assign(label=articles["label"].astype(int))

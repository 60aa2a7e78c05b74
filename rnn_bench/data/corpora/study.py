"""The study's two corpora, read from preprocessed files or prepared from raw ones."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from rnn_bench.data.corpora.editions import edition
from rnn_bench.data.corpora.study_files import (
    prepare,
    preprocessed_files,
    raw_files,
    read_preprocessed,
)
from rnn_bench.data.corpus import Articles, Columns, Corpus, DataError, MissingCorpus, file_identity
from rnn_bench.data.fetch import fetch_from_kaggle

CLASSES = ("fake", "real")
COLUMNS = ("text", "removed", "subject", "date")  # for the audit


@dataclass
class StudyCorpus(Corpus):
    """isot or kaggle, read from `<data_dir>/<corpus>/preprocessed/{train,test}.csv` where these
    exist, or else prepared from the raw files.

    `dateline` is `removed` by the study's rule, which applies to isot's true articles only, or
    `kept`, which takes isot's raw files.

    A model trained on it gets raw texts, title and body joined by a space, with their datelines:
    the study removes those of true articles alone, and which are true the model has to find out.
    """

    corpus: str
    data_dir: Path
    dateline: str = "removed"

    def files(self) -> list[Path]:
        """Return the files that the articles are read from.

        Raises:
            MissingCorpus: neither the preprocessed nor the raw files exist.
            DataError: only some of them do; or datelines are to be kept, and there are only
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
            present = [path for path in files if path.is_file()]
            if len(present) == len(files):
                return files
            if present:
                missing = next(path for path in files if path not in present)
                raise DataError(
                    f"{missing} is missing, beside {present[0].name}. "
                    f"Bring it, or remove {present[0]}."
                )
        raise MissingCorpus(self, self.corpus, raw, self.data_dir)

    def identity(self) -> dict[str, Any]:
        raw = [path for path in raw_files(self.corpus, self.data_dir) if path.is_file()]
        return {
            "corpus": self.corpus,
            "dateline": self.dateline,
            "files": file_identity(self.files()),
            "raw": file_identity(raw),  # the columns come from them
        }

    def fetch(self) -> None:
        fetch_from_kaggle(self.corpus, self.data_dir)

    def read(self) -> Articles:
        files = self.files()
        raw = None
        if files == raw_files(self.corpus, self.data_dir):
            train, test, raw = prepare(self.corpus, files, self.dateline)
        else:
            train, test = (read_preprocessed(path) for path in files)
        return Articles(
            train=(train["text"].tolist(), train["label"].tolist()),
            test=(test["text"].tolist(), test["label"].tolist()),
            classes=CLASSES,
            edition=edition(self.corpus, files, len(train) + len(test)),
            cleaning="study",
            columns=lambda: self._columns(train, test, raw),
        )

    def _columns(
        self, train: pd.DataFrame, test: pd.DataFrame, raw: pd.DataFrame | None
    ) -> Columns:
        """Return the columns of the raw files, which are read unless `raw` is given."""
        if raw is None:
            files = raw_files(self.corpus, self.data_dir)
            for path in files:
                if not path.is_file():
                    raise DataError(f"the raw file {path.name} is not there")
            *prepared, raw = prepare(self.corpus, files, self.dateline)
            for articles, read in zip(prepared, (train, test), strict=True):
                if not all(articles[name].tolist() == read[name].tolist() for name in read):
                    raise DataError("the raw files give other articles than the preprocessed ones")
            train, test = prepared
        return {
            name: (raw[name].loc[train.index].tolist(), raw[name].loc[test.index].tolist())
            for name in COLUMNS
            if name in raw
        }

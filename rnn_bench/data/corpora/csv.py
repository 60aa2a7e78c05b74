"""A corpus in the user's own CSV files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from rnn_bench.data.cleaning import CLEANINGS
from rnn_bench.data.corpus import Articles, Columns, Corpus, DataError, file_identity
from rnn_bench.data.csv_files import read_csv, require_columns
from rnn_bench.data.labels import require_few_classes, sorted_classes, usual_spellings
from rnn_bench.data.quotes import refuse_swallowed_rows
from rnn_bench.data.splits import split_test_stratified


@dataclass
class CsvCorpus(Corpus):
    """The user's own training and test file, or one file and a test fraction.

    The classes are the labels of the training file, without blanks around them, sorted (as numbers
    if all are numbers).
    """

    version = 2

    train: str
    test: str | None
    test_fraction: float
    text_column: str
    label_column: str
    cleaning: str
    drop_bad_rows: bool
    data_dir: Path

    def identity(self) -> dict[str, Any]:
        files = [Path(self.train), *([Path(self.test)] if self.test else [])]
        for path in files:
            if path.is_dir():
                raise DataError(f"{path} is a folder, not a CSV file.")
            if not path.is_file():
                raise DataError(f"{path} does not exist (looked for in {Path.cwd()}).")
        settings = {name: value for name, value in vars(self).items() if name != "data_dir"}
        return {**settings, "files": file_identity(files)}

    def read(self) -> Articles:
        train, left_out = self._read_rows(Path(self.train))
        require_few_classes(train[self.label_column], self.train)
        train = self._with_labels(train, usual_spellings({*train[self.label_column]}))
        labels = train[self.label_column].tolist()
        classes = sorted_classes(set(labels))
        if len(classes) < 2:
            raise DataError(
                f"{self.train} has one class only, {classes[0]!r}: there is nothing to tell apart."
            )
        if self.test:
            test, left_out_of_test = self._read_rows(Path(self.test))
            left_out += left_out_of_test
            test = self._with_labels(test, usual_spellings({*test[self.label_column]}, classes))
            unknown = sorted({*test[self.label_column]} - set(classes))
            if unknown:
                raise DataError(
                    f"{self.test} has the label {unknown[0]!r}, which {self.train} lacks. "
                    f"Its labels: {', '.join(classes)}."
                )
        else:
            training, held_out = split_test_stratified(labels, self.test_fraction, self.train)
            train, test = train.iloc[training], train.iloc[held_out]
        return Articles(
            train=self._prepare(train, classes),
            test=self._prepare(test, classes),
            classes=classes,
            cleaning=self.cleaning,
            left_out=" and ".join(left_out),
            columns=lambda: self._columns(train, test),
        )

    def _read_rows(self, path: Path) -> tuple[pd.DataFrame, list[str]]:
        """Return the rows that are articles, and a note on how many are not, if any."""
        keys = ("dataset.text_column", "dataset.label_column")
        columns = [self.text_column, self.label_column]
        table = require_columns(read_csv(path), path, columns, keys)
        refuse_swallowed_rows(table, path, self.label_column)
        table = table.assign(**{self.label_column: table[self.label_column].str.strip()})
        empty = table[[self.text_column, self.label_column]].map(lambda cell: not cell.strip())
        bad = empty.any(axis=1)
        if not bad.any():
            return table, []
        if not self.drop_bad_rows:
            first = int(bad.to_numpy().argmax())
            raise DataError(
                f"{path} has {int(bad.sum())} bad rows of {len(table)}; the first is "
                f"row {first + 1} (the header not counted): its {empty.iloc[first].idxmax()!r} is "
                f"empty.\n"
                f"Mend them, or leave them out with dataset.drop_bad_rows=true."
            )
        if bad.all():
            raise DataError(f"{path} has bad rows only: a text or label is empty in each.")
        return table[~bad], [f"{int(bad.sum()):,} of {len(table):,} rows of {path.name}"]

    def _with_labels(self, table: pd.DataFrame, spellings: Mapping[str, str]) -> pd.DataFrame:
        labels = table[self.label_column].map(lambda label: spellings.get(label, label))
        return table.assign(**{self.label_column: labels})

    def _prepare(self, table: pd.DataFrame, classes: Sequence[str]) -> tuple[list[str], list[int]]:
        clean = CLEANINGS[self.cleaning]
        index = {name: position for position, name in enumerate(classes)}
        texts = [clean(text) for text in table[self.text_column]]
        return texts, [index[label] for label in table[self.label_column]]

    def _columns(self, train: pd.DataFrame, test: pd.DataFrame) -> Columns:
        columns = {"text": self.text_column, "subject": "subject", "date": "date"}
        return {
            name: (train[column].tolist(), test[column].tolist())
            for name, column in columns.items()
            if column in train and column in test and column != self.label_column
        }

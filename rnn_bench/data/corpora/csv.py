"""A corpus in the user's own CSV files."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from rnn_bench.data.corpus import CLEANINGS, Articles, Corpus, DataError, file_identity
from rnn_bench.data.csv_files import read_csv, require_columns

TEST_SPLIT_SEED = 99


@dataclass
class CsvCorpus(Corpus):
    """The user's own training and test file, or one file and a test fraction.

    The classes are the labels of the training file, sorted (as numbers if all are numbers).
    """

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
            if not path.is_file():
                raise DataError(f"{path} does not exist (looked for in {Path.cwd()}).")
        settings = {name: value for name, value in vars(self).items() if name != "data_dir"}
        return {**settings, "files": file_identity(files)}

    def read(self) -> Articles:
        train, test, classes = self._tables()
        return Articles(
            train=self._prepared(train, classes),
            test=self._prepared(test, classes),
            classes=classes,
        )

    def text_cleaning(self) -> str:
        return self.cleaning

    def left_out(self) -> str:
        found = []
        for path in [Path(self.train), *([Path(self.test)] if self.test else [])]:
            table = read_csv(path)
            if bad := int(self._is_bad(table).sum()):
                found.append(f"{bad:,} of {len(table):,} rows of {path.name}")
        return " and ".join(found)

    def columns(self) -> dict[str, tuple[list[str], list[str]]]:
        train, test, _ = self._tables()
        columns = {"text": self.text_column, "subject": "subject", "date": "date"}
        return {
            name: (train[column].tolist(), test[column].tolist())
            for name, column in columns.items()
            if column in train and column in test and column != self.label_column
        }

    def _tables(self) -> tuple[pd.DataFrame, pd.DataFrame, tuple[str, ...]]:
        """The rows that are training and test articles, and the classes."""
        from sklearn.model_selection import train_test_split

        table = self._rows(Path(self.train))
        labels = table[self.label_column].tolist()
        classes = _sorted_classes(set(labels))
        if len(classes) < 2:
            raise DataError(
                f"{self.train} has one class only, {classes[0]!r}: there is nothing to tell apart."
            )
        if self.test:
            test = self._rows(Path(self.test))
            strange = sorted({*test[self.label_column]} - set(classes))
            if strange:
                raise DataError(
                    f"{self.test} has the label {strange[0]!r}, which {self.train} lacks. "
                    f"Its labels: {', '.join(classes)}."
                )
            return table, test, classes
        rarest = min(classes, key=labels.count)
        if labels.count(rarest) < 2:
            raise DataError(
                f"{self.train} is too small to split: one article with the label {rarest!r}."
            )
        test_size = max(round(len(table) * self.test_fraction), len(classes))
        if len(table) - test_size < len(classes):
            raise DataError(f"{self.train} is too small to split: {len(table)} articles.")
        train, test = train_test_split(
            table, test_size=test_size, random_state=TEST_SPLIT_SEED, stratify=labels
        )
        return train, test, classes

    def _rows(self, path: Path) -> pd.DataFrame:
        table = require_columns(read_csv(path), path, [self.text_column, self.label_column])
        empty = self._is_bad(table)
        if empty.any():
            first = int(empty.to_numpy().argmax())
            column = (
                self.text_column if table[self.text_column].iloc[first] == "" else self.label_column
            )
            if not self.drop_bad_rows:
                raise DataError(
                    f"{path} has {int(empty.sum())} bad rows of {len(table)}; the first is "
                    f"row {first + 1} (the header not counted): its {column!r} is empty.\n"
                    f"Mend them, or leave them out with dataset.drop_bad_rows=true."
                )
            table = table[~empty]
            if table.empty:
                raise DataError(f"{path} has bad rows only: a text or label is empty in each.")
        return table

    def _is_bad(self, table: pd.DataFrame) -> "pd.Series[bool]":
        """Of each row, whether its text or label is empty."""
        return (table[self.text_column] == "") | (table[self.label_column] == "")

    def _prepared(self, table: pd.DataFrame, classes: Sequence[str]) -> tuple[list[str], list[int]]:
        clean = CLEANINGS[self.cleaning]
        index = {name: position for position, name in enumerate(classes)}
        texts = [clean(text) for text in table[self.text_column]]
        return texts, [index[label] for label in table[self.label_column]]


def _sorted_classes(labels: set[str]) -> tuple[str, ...]:
    try:
        numbers = {label: float(label) for label in labels}
    except ValueError:
        numbers = {}
    if all(map(math.isfinite, numbers.values())):
        return tuple(sorted(sorted(labels), key=lambda label: numbers.get(label, 0.0)))
    return tuple(sorted(labels))

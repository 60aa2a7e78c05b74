"""A corpus in the user's own files."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from rnn_bench.config.dataset import SEPARATORS
from rnn_bench.config.errors import listed
from rnn_bench.data.cleaning import CLEANINGS
from rnn_bench.data.corpus import Articles, Columns, Corpus, DataError, file_identity
from rnn_bench.data.labels import require_few_classes, sorted_classes, usual_spellings
from rnn_bench.data.left_out import without_bad_rows, without_duplicates
from rnn_bench.data.splits import split_test_stratified
from rnn_bench.data.table_files import Reading, read_table
from rnn_bench.data.table_kinds import USED_IN, kind_of
from rnn_bench.data.text_encoding import read_head
from rnn_bench.data.text_files import class_folders, read_beside, read_folder, read_labelled_lines

log = logging.getLogger(__name__)

SPLITS = ("train", "validation", "test")


@dataclass
class TableCorpus(Corpus):
    """The user's own files or folders of training, validation and test articles, or one file and a
    test fraction. The fields are the keys of `Table`.

    The classes are those that `labels` names, or else the labels of the training file, without
    blanks around them, sorted (as numbers if all are numbers).
    """

    train: str
    test: str | None = None
    test_fraction: float = 0.2
    text_column: str = "text"
    label_column: str = "label"
    cleaning: str = "lower"
    drop_bad_rows: bool = False
    data_dir: Path = Path()
    validation: str | None = None
    train_labels: str | None = None
    validation_labels: str | None = None
    test_labels: str | None = None
    text_columns: Sequence[str] = ()
    labels: Mapping[Any, str] = field(default_factory=dict)
    drop_duplicates: bool = False
    form: str = "table"
    separator: str | None = None
    encoding: str | None = None
    header: bool = True
    quotes: bool | None = None
    sheet: str | None = None

    def identity(self) -> dict[str, Any]:
        paths: list[Path] = []
        for given in (self._files() | self._label_files()).values():
            path = Path(given)
            if path.is_dir():
                folders = class_folders(path, self._classes_by_label())
                paths += [file for own in folders.values() for file in own]
            elif not path.is_file():
                raise DataError(f"{path} does not exist (looked for in {Path.cwd()}).")
            else:
                paths.append(path)
        settings = {name: value for name, value in vars(self).items() if name != "data_dir"}
        settings |= {"labels": [*self._classes_by_label().items()], "text_columns": self._texts()}
        return {**settings, "files": file_identity(paths)}

    def read(self) -> Articles:
        self._refuse_unused_keys()
        left_out: list[str] = []
        tables: dict[str, pd.DataFrame] = {}
        classes: tuple[str, ...] = ()
        for split in self._files():
            table = self._articles(split, left_out)
            tables[split] = self._with_classes(table, split, classes)
            classes = classes or self._class_names(tables[split])
        if self.drop_duplicates:
            tables, repeated = without_duplicates(tables, self._files())
            left_out += repeated
        if "test" not in tables:
            train = tables["train"]
            parts = split_test_stratified(train["label"].tolist(), self.test_fraction, self.train)
            tables["train"], tables["test"] = (train.iloc[part] for part in parts)
        if not self.labels:
            self._warn_of_absent_classes(tables, classes)
        index = {name: position for position, name in enumerate(classes)}
        splits = {
            split: (table["prepared"].tolist(), [index[label] for label in table["label"]])
            for split, table in tables.items()
        }
        return Articles(
            train=splits["train"],
            test=splits["test"],
            classes=classes,
            validation=splits.get("validation"),
            cleaning=self.cleaning,
            left_out=" and ".join(left_out),
            columns=lambda: _columns(tables),
        )

    def _files(self) -> dict[str, str]:
        return {split: path for split in SPLITS if (path := getattr(self, split))}

    def _label_files(self) -> dict[str, str]:
        names = [f"{split}_labels" for split in SPLITS]
        return {name: path for name in names if (path := getattr(self, name))}

    def _has_table(self, split: str) -> bool:
        """Return whether a split's articles are a table, and not lines or a folder of texts."""
        is_text = getattr(self, f"{split}_labels") or self.form == "lines"
        return not (is_text or Path(getattr(self, split)).is_dir())

    def _refuse_unused_keys(self) -> None:
        """Raise DataError if a key is given that says how to read a kind of file which none is."""
        kinds = {
            kind_of(Path(path), read_head(Path(path))) if self._has_table(split) else "text"
            for split, path in self._files().items()
        }
        for name, users in USED_IN.items():
            if getattr(self, name) is not None and kinds.isdisjoint(users):
                raise DataError(
                    f"dataset.{name} is for files of the kind {' or '.join(users)}, and "
                    f"{self.train} is {' and '.join(sorted(kinds))}: leave it out."
                )

    def _texts(self) -> list[str]:
        return [*self.text_columns] or [self.text_column]

    def _classes_by_label(self) -> dict[str, str]:
        """Return the class of each label that `labels` names, as labels are written in files."""
        return {
            str(label).lower() if isinstance(label, bool) else str(label): name
            for label, name in self.labels.items()
        }

    def _class_names(self, train: pd.DataFrame) -> tuple[str, ...]:
        if self.labels:
            return tuple(dict.fromkeys(self.labels.values()))
        classes = sorted_classes({*train["label"]})
        if len(classes) < 2:
            raise DataError(
                f"{self.train} has one class only, {classes[0]!r}: there is nothing to tell apart."
            )
        return classes

    def _articles(self, split: str, left_out: list[str]) -> pd.DataFrame:
        """Return the rows of a split's file that are articles, with the columns text, label and
        prepared. A note on how many are not is added to `left_out`."""
        path, texts, label = Path(getattr(self, split)), self._texts(), self.label_column
        beside = getattr(self, f"{split}_labels")
        if not self._has_table(split):
            texts, label = ["text"], "label"
            if path.is_dir():
                table, what = read_folder(path, self.encoding, self._classes_by_label())
            elif beside:
                table, what = read_beside(path, Path(beside), self.encoding)
            else:
                table, what = read_labelled_lines(path, self.encoding)
            log.info("%s: %s, %s texts", path.name, what, f"{len(table):,}")
        else:
            table, what = self._table(path)
            names = listed([*map(str, table.columns)])
            log.info("%s: %s, %s rows, columns %s", path.name, what, f"{len(table):,}", names)
        kept = {
            column: table[column]
            for column in ("subject", "date")
            if column in table and column != label
        }
        text = table[texts[0]]
        for column in texts[1:]:
            text = text.str.cat(table[column], sep=" ")
        cells = {"text": text, "label": table[label].str.strip()}
        named = {"text": " ".join(texts), "label": label}
        found = pd.DataFrame({**kept, **cells})
        rows, bad = without_bad_rows(found, str(path), named, self.drop_bad_rows)
        if bad:
            left_out.append(f"{bad} of {path.name}")
        clean = CLEANINGS[self.cleaning]
        prepared = pd.Series([*map(clean, rows["text"])], rows.index, dtype=object)
        return rows.assign(prepared=prepared)

    def _table(self, path: Path) -> tuple[pd.DataFrame, str]:
        key = "dataset.text_columns" if self.text_columns else "dataset.text_column"
        columns = [*self._texts(), self.label_column]
        separator = SEPARATORS.get(self.separator or "", self.separator)
        reading = Reading(separator, self.encoding, self.header, self.quotes, self.sheet)
        keys = [key] * len(self._texts()) + ["dataset.label_column"]
        return read_table(path, columns, keys, reading)

    def _with_classes(
        self, table: pd.DataFrame, split: str, classes: Sequence[str]
    ) -> pd.DataFrame:
        """Return the articles with their classes as labels.

        Raises:
            DataError: the column holds no labels, or one that training or `labels` lacks.
        """
        path, of_label = getattr(self, split), self._classes_by_label()
        known = [*of_label] or [*classes]
        if split == "train":
            require_few_classes(table["label"].rename(self.label_column), path)
        found = {*table["label"]}
        spellings = usual_spellings(found, known)
        labels = {label: spellings.get(label, label) for label in found}
        unknown = sorted({*labels.values()} - {*known}) if known else []
        if unknown:
            lacking = "dataset.labels" if of_label else self.train
            raise DataError(
                f"{path} has the label {unknown[0]!r}, which {lacking} lacks. "
                f"Its labels: {', '.join(known)}."
                f"{f' Name its class there too: {unknown[0]}: ...' if of_label else ''}"
            )
        names = {label: of_label.get(usual, usual) for label, usual in labels.items()}
        return table.assign(label=table["label"].map(names))

    def _warn_of_absent_classes(
        self, tables: Mapping[str, pd.DataFrame], classes: Sequence[str]
    ) -> None:
        absent = [name for name in classes if name not in {*tables["test"]["label"]}]
        if absent and self.test:
            log.warning(
                "No test article has the label %s. If it is no class, leave its articles out of "
                "%s%s.",
                " or ".join(map(repr, absent[:5])),
                self.train,
                ", or name the folders that are classes with dataset.labels={FOLDER: CLASS, ...}"
                * Path(self.train).is_dir(),
            )


def _columns(tables: Mapping[str, pd.DataFrame]) -> Columns:
    """Return the columns that all splits have, before preparation: those of the training articles,
    with validation's after them, and those of the test articles."""
    training = [tables[split] for split in ("train", "validation") if split in tables]
    return {
        name: (
            [value for table in training for value in table[name]],
            tables["test"][name].tolist(),
        )
        for name in ("text", "subject", "date")
        if all(name in table for table in tables.values())
    }

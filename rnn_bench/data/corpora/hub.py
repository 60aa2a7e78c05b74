"""A corpus of the Hugging Face hub, or a folder in the hub's layout."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd
from filelock import FileLock

from rnn_bench.config.errors import listed
from rnn_bench.data.cleaning import CLEANINGS
from rnn_bench.data.corpus import Articles, Corpus, DataError, MissingCorpus, file_identity
from rnn_bench.data.download import make_writable, usable
from rnn_bench.data.hub_download import Download, Splits, download, folder_splits
from rnn_bench.data.hub_layout import (
    choose_label,
    choose_splits,
    choose_texts,
    class_names,
)
from rnn_bench.data.labels import require_few_classes, sorted_classes, usual_spellings
from rnn_bench.data.left_out import without_bad_rows
from rnn_bench.data.splits import split_test_stratified
from rnn_bench.files import replaced_atomically

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Layout:
    """The splits for training, validation and test, and the columns of label and texts."""

    splits: Mapping[str, str]
    label: str
    texts: Sequence[str]


@dataclass
class HubCorpus(Corpus):
    """A data set of the hub at the commit that `data_dir/hub` says, or a folder. What is None of
    the splits and columns is guessed by names and types.

    The classes are the names that the data set gives them, else the labels of the training split.
    """

    path: str
    revision: str
    configuration: str | None
    train: str | None
    validation: str | None
    test: str | None
    test_fraction: float
    text_column: str | None
    text_columns: Sequence[str] | None
    label_column: str | None
    cleaning: str
    drop_bad_rows: bool
    data_dir: Path

    def identity(self) -> dict[str, Any]:
        settings = {each.name: getattr(self, each.name) for each in fields(self)}
        del settings["data_dir"]
        if self._is_folder():
            return {**settings, "files": file_identity(self._files())}
        return {**settings, "commit": self._downloaded().commit}

    def fetch(self) -> None:
        if self._is_folder():
            raise DataError(f"dataset.path={self.path} is a folder: there is nothing to fetch.")
        with usable(self._record):
            make_writable(self._record.parent)
            with FileLock(f"{self._record}.lock"):  # another process may do the same
                found = download(self.path, self.revision, self.configuration)
                with replaced_atomically(self._record) as part:
                    part.write_text(json.dumps(asdict(found)), encoding="utf-8")
        log.info("dataset.revision=%s of %s is commit %s.", self.revision, self.path, found.commit)

    def read(self) -> Articles:
        if self._is_folder():
            splits, edition = folder_splits(Path(self.path), self.configuration), "other"
        else:
            found = self._downloaded()
            if missing := found.missing():
                raise self._missing(missing)
            splits, edition = found.splits(), f"commit {found.commit}"
        layout = self._layout(splits)
        rows, left_out = {}, []
        for role, name in layout.splits.items():
            rows[role], bad = self._rows(splits[name], name, layout)
            left_out += bad
        names = class_names(splits[layout.splits["train"]].features[layout.label])
        classes, rows = self._classes(rows, layout, names)
        if "test" not in rows:
            table = rows["train"]
            training, held_out = split_test_stratified(
                table["label"].tolist(), self.test_fraction, self.path
            )
            rows |= {"train": table.iloc[training], "test": table.iloc[held_out]}
        self._say_what_is_read(layout, rows, classes)
        prepared = {role: self._prepare(table, classes) for role, table in rows.items()}
        raw = {role: table["text"].tolist() for role, table in rows.items()}
        return Articles(
            train=prepared["train"],
            test=prepared["test"],
            classes=classes,
            validation=prepared.get("validation"),
            edition=edition,
            cleaning=self.cleaning,
            left_out=" and ".join(left_out),
            columns=lambda: {"text": (raw["train"] + raw.get("validation", []), raw["test"])},
        )

    # --- where it is -----------------------------------------------------------------------------

    @property
    def _record(self) -> Path:
        """The file that keeps the commit of the revision, so that all runs read the same."""
        name = "@".join(quote(part, "") for part in (self.revision, self.configuration) if part)
        return self.data_dir / "hub" / quote(self.path) / f"{name}.json"

    def _downloaded(self) -> Download:
        try:
            return Download(**json.loads(self._record.read_bytes()))
        except (FileNotFoundError, ValueError, TypeError):  # there is none, or it is damaged
            raise self._missing([self._record]) from None

    def _missing(self, files: Sequence[Path]) -> MissingCorpus:
        keys = [f"dataset.path={self.path}", f"dataset.revision={self.revision}"]
        if self.configuration:
            keys.append(f"dataset.configuration={self.configuration}")
        option = " ".join(["hub", *keys])
        return MissingCorpus(self, self.path, files[:1], self.data_dir, option)

    def _is_folder(self) -> bool:
        """Return whether the path is a folder, and not the name of a data set.

        Raises:
            DataError: it can be neither.
        """
        path = Path(self.path)
        if path.is_dir():
            return True
        if path.exists():
            raise DataError(
                f"dataset.path={self.path} is a file. Name the folder that it is in, or OWNER/NAME "
                "of the hub."
            )
        if self.path[0] in "./~" or self.path.count("/") > 1:
            raise DataError(
                f"dataset.path={self.path} does not exist (looked for in {Path.cwd()}), and is not "
                "OWNER/NAME of the hub."
            )
        return False

    def _files(self) -> list[Path]:
        folder = Path(self.path)
        return sorted(
            path
            for path in folder.rglob("*")
            if path.is_file() and not any(part[0] == "." for part in path.relative_to(folder).parts)
        )

    # --- what is read ----------------------------------------------------------------------------

    def _layout(self, splits: Splits) -> Layout:
        """Return where in the splits the articles are, as the keys say or as is guessed."""
        roles = {"train": self.train, "validation": self.validation, "test": self.test}
        names = choose_splits(self.path, roles, [*splits])
        features = splits[names["train"]].features
        label = choose_label(self.path, self.label_column, features)
        one = [self.text_column] if self.text_column else []
        given, key = (
            (self.text_columns, "text_columns") if self.text_columns else (one, "text_column")
        )
        return Layout(names, label, choose_texts(self.path, given, label, features, key))

    def _rows(self, split: Any, name: str, layout: Layout) -> tuple[pd.DataFrame, list[str]]:
        """Return the text and the label of the rows of a split that are articles, and a note on how
        many are not, if any."""
        columns = [*layout.texts, layout.label]
        for column in columns:
            if column not in split.features:
                raise DataError(
                    f"The split {name!r} of {self.path} has no column {column!r}, which that for "
                    f"training has. Its columns: {listed(split.features)}."
                )
        table = split.select_columns(columns).with_format("arrow")[:]
        *parts, labels = (table.column(column).to_pylist() for column in columns)
        names = class_names(split.features[layout.label])
        rows = pd.DataFrame(
            {
                "text": [" ".join(each or "" for each in row) for row in zip(*parts, strict=True)],
                "label": [_written(label, names) for label in labels],
            },
            dtype="str",
        )
        source = f"The split {name!r} of {self.path}"
        if len(rows) and not rows["label"].str.strip().any():
            raise DataError(
                f"{source} has no labels, as the secret ones of a competition. Choose others with "
                "dataset.train, dataset.validation and dataset.test."
            )
        named = {"text": " ".join(layout.texts), "label": layout.label}
        rows, bad = without_bad_rows(rows, source, named, self.drop_bad_rows)
        return rows, [f"{bad} of the split {name}"] if bad else []

    def _classes(
        self, rows: Mapping[str, pd.DataFrame], layout: Layout, names: Sequence[str] | None
    ) -> tuple[tuple[str, ...], dict[str, pd.DataFrame]]:
        """Return the classes in the order of their names, or of the labels of the training rows,
        and the rows with one spelling for labels that are the same number.

        Raises:
            DataError: there is one class only, or a split has another label.
        """
        labels = rows["train"]["label"]
        if names is None:
            require_few_classes(labels.rename(layout.label), self.path)
            rows = {"train": _spelled(rows["train"], usual_spellings({*labels})), **_others(rows)}
            classes = sorted_classes({*rows["train"]["label"]})
            for role, table in _others(rows).items():
                rows[role] = _spelled(table, usual_spellings({*table["label"]}, classes))
        else:
            classes = tuple(name for name in names if name in {*labels})
        if len(classes) < 2:
            raise DataError(
                f"The split {layout.splits['train']!r} of {self.path} has one class only, "
                f"{classes[0]!r}: there is nothing to tell apart. Choose others with dataset.train "
                "or dataset.label_column."
            )
        for role, table in rows.items():
            for unknown in sorted({*table["label"]} - {*classes}):
                raise DataError(
                    f"The split {layout.splits[role]!r} of {self.path} has the label {unknown!r}, "
                    f"which that for training lacks. Its labels: {listed(classes)}."
                )
        return classes, {**rows}

    def _prepare(self, rows: pd.DataFrame, classes: Sequence[str]) -> tuple[list[str], list[int]]:
        clean = CLEANINGS[self.cleaning]
        index = {name: position for position, name in enumerate(classes)}
        return [*map(clean, rows["text"])], [index[label] for label in rows["label"]]

    def _say_what_is_read(
        self, layout: Layout, rows: Mapping[str, pd.DataFrame], classes: Sequence[str]
    ) -> None:
        held_out = f"{self.test_fraction:.0%} of {layout.splits['train']}"
        found = [
            f"{role}={layout.splits.get(role, held_out)} ({len(table):,})"
            for role, table in rows.items()
        ]
        texts, labels = "+".join(layout.texts), f"{layout.label} ({listed(classes)})"
        log.info("Read %s: %s, text %s, label %s.", self.path, ", ".join(found), texts, labels)


def _others(rows: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    return {role: table for role, table in rows.items() if role != "train"}


def _spelled(rows: pd.DataFrame, spellings: Mapping[str, str]) -> pd.DataFrame:
    return rows.assign(label=rows["label"].map(lambda label: spellings.get(label, label)))


def _written(label: Any, names: Sequence[str] | None) -> str:
    """Return a label as a text, and "" for one that is missing."""
    if label is None or (names and label == -1):
        return ""
    return names[label] if names else str(label).strip()

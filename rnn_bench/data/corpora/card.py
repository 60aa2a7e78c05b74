"""A public corpus that a card describes: a YAML file with its source, its files and their form."""

import codecs
import logging
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from filelock import FileLock

from rnn_bench.data.cleaning import CLEANINGS
from rnn_bench.data.corpora.editions import EDITIONS, blob_id
from rnn_bench.data.corpus import Articles, Corpus, DataError, MissingCorpus, file_identity
from rnn_bench.data.download import download, make_writable, usable

SPLITS = ("train", "validation", "test")

Texts = tuple[list[str], list[int]]  # texts and labels

log = logging.getLogger(__name__)


@dataclass
class CardCorpus(Corpus):
    """A corpus read from `<data_dir>/<corpus>/raw/`; the other fields are the keys of a card.

    Lines end at LF alone: in latin-1, other characters that Python counts as ends of lines stand
    within texts.
    """

    corpus: str
    source: str
    files: Mapping[str, Mapping[str, str]]
    encoding: str
    train: str
    validation: str | None
    test: str | None
    index: str | None
    classes: Mapping[Any, str]
    cleaning: str
    data_dir: Path

    @property
    def folder(self) -> Path:
        return self.data_dir / self.corpus / "raw"

    def identity(self) -> dict[str, Any]:
        settings = {each.name: getattr(self, each.name) for each in fields(self)}
        del settings["data_dir"], settings["source"]
        settings["classes"] = [*self.classes.items()]
        return {**settings, "paths": file_identity(self._files())}

    def fetch(self) -> None:
        folder = self.folder.absolute()
        with usable(folder):
            if any(not (folder / name).is_file() for name in self.files):
                make_writable(folder)
                with FileLock(folder.with_name("fetch.lock")):  # another process may do the same
                    self._fetch_missing(folder)
            for name, about in self.files.items():
                if (found := blob_id(folder / name)) != about["blob"]:
                    raise DataError(
                        f"{folder / name} is there and is not the published one; nothing was "
                        f"changed.\nIts git blob id is {found}, and that of the published one is "
                        f"{about['blob']}.\nKeep it and go on without fetching, or move it away "
                        "and fetch again."
                    )
        log.info("The raw files in %s are %s.", folder, EDITIONS["published"])

    def _fetch_missing(self, folder: Path) -> None:
        for name, about in self.files.items():
            if not (folder / name).is_file():
                url = f"{self.source.rstrip('/')}/{about.get('path', name)}"
                download(url, folder / name, about["blob"])

    def read(self) -> Articles:
        self._files()
        named = {"train": self.train, "validation": self.validation, "test": self.test}
        if self.index is None:
            splits = {split: self._labelled(file) for split, file in named.items() if file}
        else:
            splits = self._indexed(self.train, self.index)
        clean = CLEANINGS[self.cleaning]
        raw = {split: splits.get(split, ([], [])) for split in SPLITS}
        cleaned = {
            split: ([clean(text) for text in texts], labels)
            for split, (texts, labels) in raw.items()
        }
        published = all(
            blob_id(self.folder / name) == about["blob"] for name, about in self.files.items()
        )
        return Articles(
            train=cleaned["train"],
            test=cleaned["test"],
            classes=tuple(dict.fromkeys(self.classes.values())),
            validation=cleaned["validation"] if "validation" in splits else None,
            edition="published" if published else "other",
            cleaning=self.cleaning,
            columns=lambda: {"text": (raw["train"][0] + raw["validation"][0], raw["test"][0])},
        )

    def _files(self) -> list[Path]:
        """Return the files.

        Raises:
            MissingCorpus: some of them do not exist.
        """
        files = [self.folder / name for name in self.files]
        if missing := [path for path in files if not path.is_file()]:
            raise MissingCorpus(self, self.corpus, missing, self.data_dir)
        return files

    def _labelled(self, name: str) -> Texts:
        """Return the articles of a file with a line `label text` for each."""
        texts, labels = [], []
        for number, line in enumerate(self._lines(name), 1):
            label, _, text = line.partition(" ")
            texts.append(text.strip())
            labels.append(self._class_of(label, name, number))
        return texts, labels

    def _indexed(self, name: str, index: str) -> dict[str, Texts]:
        """Return the articles of a file with a text a line, by split. Another file has a line
        `id<TAB>split<TAB>label` for each."""
        texts, about = self._lines(name), self._lines(index)
        if len(texts) != len(about):
            raise DataError(
                f"{self.folder / name} has {len(texts):,} lines and {index} {len(about):,}: they "
                "must have one for each text."
            )
        splits: dict[str, Texts] = {}
        for number, (text, line) in enumerate(zip(texts, about, strict=True), 1):
            _, split, label = [*line.rstrip().split("\t"), "", ""][:3]
            if split not in SPLITS:
                raise DataError(
                    f"{self.folder / index}, line {number}: the split {split!r} is none of "
                    f"{', '.join(SPLITS)}."
                )
            own_texts, own_labels = splits.setdefault(split, ([], []))
            own_texts.append(text.strip())
            own_labels.append(self._class_of(label, index, number))
        return splits

    def _lines(self, name: str) -> list[str]:
        path = self.folder / name
        try:
            text = codecs.decode(path.read_bytes(), self.encoding)
        except UnicodeDecodeError as error:
            raise DataError(
                f"{path} is not {self.encoding}: {error.reason} (byte "
                f"{error.object[error.start]:#04x}). Set dataset.encoding, for example to latin-1."
            ) from None
        except LookupError:
            raise DataError(f"dataset.encoding={self.encoding} is not an encoding.") from None
        return text.removesuffix("\n").split("\n")

    def _class_of(self, label: str, name: str, number: int) -> int:
        if label not in self._positions:
            raise DataError(
                f"{self.folder / name}, line {number}: the label {label!r} is none of "
                f"dataset.classes: {', '.join(self._positions)}."
            )
        return self._positions[label]

    @cached_property
    def _positions(self) -> dict[str, int]:
        """The position of each label's class."""
        names = [*dict.fromkeys(self.classes.values())]
        return {str(label): names.index(name) for label, name in self.classes.items()}

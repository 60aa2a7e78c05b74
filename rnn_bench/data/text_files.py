"""Read texts that stand in no table: a file a text, and lines."""

from collections.abc import Collection
from pathlib import Path

import pandas as pd

from rnn_bench.config.errors import listed
from rnn_bench.data.corpus import DataError
from rnn_bench.data.text_encoding import read_lines, read_text, shown

FASTTEXT = "__label__"

Found = tuple[pd.DataFrame, str]  # the columns text and label, and what was found in words


def class_folders(folder: Path, chosen: Collection[str] = ()) -> dict[str, list[Path]]:
    """Return the files of each folder in a folder: those in `chosen`, or else all that have files.

    Raises:
        DataError: there are none, or one of the chosen is missing or has no files.
    """
    files = {
        inner.name: sorted(
            path for path in inner.iterdir() if path.is_file() and not path.name.startswith(".")
        )
        for inner in sorted(folder.iterdir())
        if inner.is_dir() and not inner.name.startswith(".")
    }
    found = {name: own for name, own in files.items() if own and (name in chosen or not chosen)}
    for name in chosen:
        if name not in found:
            raise DataError(
                f"{folder} has no folder {name!r} with texts, which dataset.labels names. "
                f"Its folders: {listed([*files])}."
            )
    if not found:
        raise DataError(
            f"{folder} is a folder without classes: it must have a folder for each class, with a "
            f"text in each file. Its folders: {listed([*files])}."
        )
    return found


def read_folder(folder: Path, encoding: str | None, chosen: Collection[str] = ()) -> Found:
    """Return the texts of a folder with a folder for each class and a text in each file. `chosen`
    are the folders that are classes, if not all are.

    Raises:
        DataError: it has no such folders, or a file cannot be read or has another encoding.
    """
    texts, labels, encodings = [], [], set()
    for label, paths in class_folders(folder, chosen).items():
        for path in paths:
            text, found = read_text(path, encoding)
            texts.append(text)
            labels.append(label)
            encodings.add(shown(found))
    what = f"a folder of {len({*labels})} classes, {' and '.join(sorted(encodings))}"
    return pd.DataFrame({"text": texts, "label": labels}, dtype=str), what


def read_labelled_lines(path: Path, encoding: str | None) -> Found:
    """Return the texts of a file with a line `label text` for each. fastText's `__label__` before
    a label is no part of it; empty lines are none.

    Raises:
        DataError: the file cannot be read, or a text has several labels.
    """
    lines, found = read_lines(path, encoding)
    rows = [[*line.split(maxsplit=1), "", ""][:2] for line in lines if line.strip()]
    for number, (label, text) in enumerate(rows, 1):
        if label.startswith(FASTTEXT) and text.startswith(FASTTEXT):
            raise DataError(
                f"{path}, text {number}, has several labels, and must have one: "
                f"{label} {text.split()[0]}."
            )
    table = pd.DataFrame(rows, columns=["label", "text"], dtype=str)
    table["label"] = table["label"].str.removeprefix(FASTTEXT)
    return table, f"lines 'label text', {shown(found)}"


def read_beside(path: Path, labels_path: Path, encoding: str | None) -> Found:
    """Return the texts of a file with one a line, and their labels, which are the lines of another
    file.

    Raises:
        DataError: a file cannot be read, or they have not the same number of lines.
    """
    texts, found = read_lines(path, encoding)
    labels, _ = read_lines(labels_path, encoding)
    if len(texts) != len(labels):
        raise DataError(
            f"{path} has {len(texts):,} lines and {labels_path} {len(labels):,}: they must have a "
            "label for each text."
        )
    table = pd.DataFrame({"text": texts, "label": labels}, dtype=str)
    return table, f"a text a line, labels in {labels_path.name}, {shown(found)}"

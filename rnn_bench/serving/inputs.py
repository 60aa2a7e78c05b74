"""The texts to be predicted: from the command line, standard input or a CSV file."""

import sys
from collections.abc import Sequence
from pathlib import Path

from rnn_bench.config.errors import UsageError
from rnn_bench.data.corpus import DataError
from rnn_bench.data.csv_files import read_csv, require_columns


def given_texts(words: Sequence[str]) -> list[str]:
    """The texts of a command line; a single - stands for the lines of standard input, and so do
    none where it is no terminal.

    Raises:
        UsageError: there are none, or they are not UTF-8.
    """
    if list(words) == ["-"] or (not words and not sys.stdin.isatty()):
        return lines(sys.stdin.buffer.read())
    if not words:
        raise UsageError(
            "There is no text to predict. Give some behind the model, lines on standard input, "
            "or a file with --csv."
        )
    for place, text in enumerate(words, start=1):
        try:
            text.encode()
        except UnicodeEncodeError:
            raise UsageError(f"Text {place} on the command line is not UTF-8.") from None
    return list(words)


def lines(content: bytes) -> list[str]:
    """A text a line; an empty line is an empty text.

    Raises:
        UsageError: there are none, or they are not UTF-8.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UsageError(
            f"Line {line} of standard input is not UTF-8: {error.reason} "
            f"(byte {content[error.start]:#04x}). "
            "Convert it, for example with: iconv -f windows-1252 -t utf-8"
        ) from None
    found = text.split("\n")
    if found[-1] == "":
        found.pop()
    if not found:
        raise UsageError("There is no text to predict: standard input is empty.")
    return [line.removesuffix("\r") for line in found]


def csv_texts(path: Path, columns: Sequence[str]) -> list[str]:
    """A text a row of a CSV file; of several columns, their cells joined by a space.

    Raises:
        DataError: the file cannot be read, or lacks a column.
    """
    table = read_csv(path)
    try:
        require_columns(table, path, columns)
    except DataError as error:
        raise DataError(f"{error} Name one, or more, with --text-column.") from None
    return [" ".join(row) for row in table[list(columns)].itertuples(index=False)]

"""Reading the texts to classify: from the command line, standard input or a CSV file."""

import sys
from collections.abc import Sequence
from pathlib import Path

from rnn_bench.config.errors import UsageError
from rnn_bench.data.corpus import DataError
from rnn_bench.data.table_files import Reading, read_table


def read_command_line(words: Sequence[str]) -> list[str]:
    """Return the texts of a command line.

    A single - means the lines of standard input. So does no text, unless standard input is a
    terminal.

    Raises:
        UsageError: there are none, or they are not UTF-8.
    """
    if list(words) == ["-"] or (not words and not sys.stdin.isatty()):
        return split_lines(sys.stdin.buffer.read())
    if not words:
        raise UsageError(
            "There is no text to predict. Give texts after the model, lines on standard input, "
            "or a file with --csv."
        )
    for number, text in enumerate(words, start=1):
        try:
            text.encode()
        except UnicodeEncodeError:
            raise UsageError(f"Text {number} on the command line is not UTF-8.") from None
    return list(words)


def split_lines(content: bytes) -> list[str]:
    """Return a text for each line of UTF-8; an empty line is an empty text.

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


def read_csv_texts(path: Path, columns: Sequence[str]) -> list[str]:
    """Return a text for each row of a file, of any kind that dataset=table reads without further
    keys. Several columns are joined by a space.

    Raises:
        DataError: the file cannot be read, or lacks a column.
    """
    keys = ["--text-column"] * len(columns)
    try:
        table, _ = read_table(path, columns, keys, Reading(), labelled=False)
    except DataError as error:
        no_key = "\nThere are no such keys here: save the file as UTF-8, with a header."
        raise DataError(f"{error}{no_key * ('dataset.' in str(error))}") from None
    return [" ".join(row) for row in table[list(columns)].itertuples(index=False)]

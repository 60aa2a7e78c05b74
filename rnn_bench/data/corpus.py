"""What a corpus is: training and test articles with labels, and where they come from."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnn_bench.config.errors import UsageError


class DataError(UsageError):
    """The corpus cannot be read as it is; the message names the file and says what to do."""


@dataclass(frozen=True)
class Articles:
    """A corpus's prepared texts and labels, in order.

    Attributes:
        train, test: (texts, labels); a label is an index into `classes`.
        classes: the classes' names.
        edition: published, other or sample.
    """

    train: tuple[list[str], list[int]]
    test: tuple[list[str], list[int]]
    classes: tuple[str, ...]
    edition: str = "other"


class Corpus(ABC):
    """Articles that are read only where no encoding of them is cached."""

    @abstractmethod
    def read(self) -> Articles:
        """Read and prepare the articles.

        Raises:
            DataError: they cannot be read, or are unfit to train and test on.
        """

    def identity(self) -> dict[str, Any] | None:
        """What decides the articles and is cheap to know, such as files with their sizes and
        times. None: the articles are read to know whether they changed."""
        return None

    def text_cleaning(self) -> str:
        """The name in CLEANINGS of what `read` does to every text. A model of this corpus does
        the same to a raw text that it is given later."""
        return "none"

    def left_out(self) -> str:
        """Rows of the files that are no articles, such as `2 of 200 rows of reviews.csv`; empty
        if there are none."""
        return ""

    def columns(self) -> dict[str, tuple[list[str], list[str]]]:
        """What else the files tell of the articles of `read()`, in the same order: a value for
        each training and each test article.

        Returns:
            any of `text` (before preparation), `subject` and `date`.

        Raises:
            DataError: the files that tell it are not there, or do not fit the articles.
        """
        return {}


@contextmanager
def readable(name: str) -> Iterator[None]:
    """Raises:
    DataError: a file of the corpus of this name cannot be read.
    """
    try:
        yield
    except OSError as error:
        what = error.filename or f"The corpus {name}"
        raise DataError(f"{what} cannot be read: {error.strerror or error}.") from error


def file_identity(paths: Sequence[Path]) -> list[tuple[str, int, int]]:
    """Path, size in bytes and time of change in ns of each file."""
    stats = [(path.resolve(), path.stat()) for path in paths]
    return [(str(path), stat.st_size, stat.st_mtime_ns) for path, stat in stats]


_NOT_STUDY = re.compile(r"[^a-z0-9\s]")


def clean_like_the_study(text: str) -> str:
    """Lower case; every character outside a-z, 0-9 and Unicode white space is removed."""
    return _NOT_STUDY.sub("", text.lower())


CLEANINGS: dict[str, Callable[[str], str]] = {
    "study": clean_like_the_study,
    "lower": str.lower,
    "none": str,
}

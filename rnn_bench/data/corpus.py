"""The interface of a corpus: a class that reads labelled training and test articles."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from rnn_bench.config.errors import UsageError

Columns = Mapping[str, tuple[list[str], list[str]]]


class DataError(UsageError):
    """A corpus cannot be read as it is. The message names the file and the remedy."""


@dataclass(frozen=True)
class Articles:
    """The prepared texts and labels of a corpus, in order.

    Attributes:
        train, test: (texts, labels); a label is an index into `classes`. `test` is ([], []) where
            there is no test file, and folds are cut.
        classes: the names of the classes.
        edition: published, other or sample, or the commit of a data set of the hub.
        cleaning: the name in CLEANINGS of what was done to every text. A trained model does the
            same to the raw texts that it is given later.
        validation: (texts, labels) of a validation file; None: a part of `train` is taken.
        left_out: rows of the files that are no articles, such as `2 of 200 rows of reviews.csv`.
        columns: returns the articles' other columns, for the audit: any of `text` (before
            preparation), `removed` (the start of it that the study's rule for datelines takes
            away), `subject` and `date`, as (training values, then those of a validation file; test
            values). It is a function because it may read files that training does not need, and
            raises DataError if they are missing or do not fit the articles.
        noise: whether each label is wrong by chance, so that no text tells it, in the order of
            `columns`; None: not known, as of every corpus that is not generated.
    """

    train: tuple[list[str], list[int]]
    test: tuple[list[str], list[int]]
    classes: tuple[str, ...]
    validation: tuple[list[str], list[int]] | None = None
    edition: str = "other"
    cleaning: str = "none"
    left_out: str = ""
    columns: Callable[[], Columns] = field(default=dict, compare=False, repr=False)
    noise: tuple[list[bool], list[bool]] | None = None

    @property
    def ceiling(self) -> float | None:
        """The best possible accuracy: the share of test labels that are not noise. None: not
        known."""
        wrong = self.noise[1] if self.noise else []
        return 1 - sum(wrong) / len(wrong) if wrong else None


class Corpus(ABC):
    """A corpus, whose articles are read only where no encoding of them is cached."""

    version: ClassVar[int] = 1  # raised when read() gives other articles from the same files

    @abstractmethod
    def read(self) -> Articles:
        """Read and prepare the articles.

        Raises:
            DataError: they cannot be read, or are unfit to train and test on.
        """

    def identity(self) -> dict[str, Any] | None:
        """Return values that change whenever the articles do, such as settings and the sizes and
        times of files; None if there are none, so that the articles are read to compare them.

        Raises:
            DataError: a file is missing.
        """
        return None

    def fetch(self) -> None:
        """Download the files that are missing. Those that are there are never overwritten.

        Raises:
            DataError: they cannot be downloaded or written, or are not the published ones.
        """
        raise DataError(f"{type(self).__name__} has no files that can be fetched.")


class MissingCorpus(DataError):
    """Files of a corpus do not exist. Its `fetch` brings them.

    `fetched_as` is what the command takes in the place of its name.

    Attributes:
        corpus: the corpus itself.
    """

    def __init__(
        self,
        corpus: Corpus,
        name: str,
        files: Sequence[Path],
        data_dir: Path,
        fetched_as: str | None = None,
    ) -> None:
        super().__init__(
            f"There are no articles of {name} in {data_dir}: {' and '.join(map(str, files))} not "
            f"found.\nGet them with: python -m rnn_bench.data fetch {fetched_as or name} "
            f"data_dir={data_dir}"
        )
        self.corpus = corpus


def file_identity(paths: Sequence[Path]) -> list[tuple[str, int, int]]:
    """Return the absolute path, size in bytes and time of change in ns of each file."""
    stats = [(path.resolve(), path.stat()) for path in paths]
    return [(str(path), stat.st_size, stat.st_mtime_ns) for path, stat in stats]

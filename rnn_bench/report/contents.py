"""What a report consists of: sections of text, tables and figures."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from rnn_bench.report.drawing import Figure


@dataclass(frozen=True)
class Link:
    """A cell's text and the address that it leads to."""

    text: str
    address: str

    def __str__(self) -> str:
        return self.text


Cell = str | Link


@dataclass(frozen=True)
class Table:
    """Rows of cells under a heading; the first `words` columns are text, the others figures.
    `note` names methods and numbers."""

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    words: int = 1
    note: str = ""


@dataclass(frozen=True)
class Section:
    name: str
    title: str
    text: Sequence[str] = ()
    tables: Sequence[Table] = ()
    figures: Sequence[Figure] = ()
    folded: bool = False


@dataclass(frozen=True)
class Report:
    """`answer` is the first thing a reader sees, `basis` says what its numbers are, `status` how
    complete the sweep is."""

    title: str
    status: str
    answer: Sequence[str]
    basis: str = ""
    sections: Sequence[Section] = field(default_factory=list)
    command: str = ""

    @property
    def tables(self) -> list[Table]:
        return [table for section in self.sections for table in section.tables]

    @property
    def figures(self) -> list[Figure]:
        return [figure for section in self.sections for figure in section.figures]

"""The parts of a report: sections of text, tables and figures."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from rnn_bench.report.drawing import Figure


@dataclass(frozen=True)
class Link:
    """A cell whose text links to an address."""

    text: str
    address: str

    def __str__(self) -> str:
        return self.text


Cell = str | Link


@dataclass(frozen=True)
class Table:
    """A table. Its first `words` columns are text, the others numbers. `note` explains them."""

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    words: int = 1
    note: str = ""


@dataclass(frozen=True)
class Section:
    """A part of the page. The tables of a `folded` one are hidden until a reader opens them."""

    name: str
    title: str
    text: Sequence[str] = ()
    tables: Sequence[Table] = ()
    figures: Sequence[Figure] = ()
    folded: bool = False


@dataclass(frozen=True)
class Report:
    """A report on a sweep. `status` says how complete the sweep is, `conclusions` is what a reader
    sees first, `explanation` says how its numbers are to be read, and `advice` what to mind of the
    settings."""

    title: str
    status: str
    conclusions: Sequence[str]
    explanation: str = ""
    sections: Sequence[Section] = field(default_factory=list)
    command: str = ""
    advice: Sequence[str] = ()

    @property
    def tables(self) -> list[Table]:
        return [table for section in self.sections for table in section.tables]

    @property
    def figures(self) -> list[Figure]:
        return [figure for section in self.sections for figure in section.figures]

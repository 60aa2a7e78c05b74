"""The report's sections. A section is a file here with a function that returns a `Section`, or
None where the results have nothing to show in it, and a line in `SECTIONS`."""

from collections.abc import Callable

from rnn_bench.report.analysis import Results
from rnn_bench.report.contents import Section
from rnn_bench.report.sections.accuracy import accuracy_section
from rnn_bench.report.sections.audit import audit_section
from rnn_bench.report.sections.certainty import certainty_section
from rnn_bench.report.sections.classes import classes_section
from rnn_bench.report.sections.corpora import corpora_section
from rnn_bench.report.sections.learning import learning_section
from rnn_bench.report.sections.losses import losses_section
from rnn_bench.report.sections.machine import machine_section
from rnn_bench.report.sections.memory import memory_section
from rnn_bench.report.sections.pairs import pairs_section
from rnn_bench.report.sections.predictions import predictions_section
from rnn_bench.report.sections.published import published_section
from rnn_bench.report.sections.runs import runs_section
from rnn_bench.report.sections.search import search_section
from rnn_bench.report.sections.time import time_section
from rnn_bench.report.sections.transfer import transfer_section
from rnn_bench.report.sections.tuning import tuning_section
from rnn_bench.report.sections.unread import unread_section

# In the order of the page.
SECTIONS: tuple[Callable[[Results], Section | None], ...] = (
    accuracy_section,
    corpora_section,
    learning_section,
    pairs_section,
    classes_section,
    published_section,
    tuning_section,
    search_section,
    transfer_section,
    memory_section,
    losses_section,
    time_section,
    certainty_section,
    predictions_section,
    audit_section,
    runs_section,
    machine_section,
    unread_section,  # last, because it says what the others could not read
)

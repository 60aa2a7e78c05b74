"""The section on files of runs that cannot be read."""

from rnn_bench.report.analysis import Results
from rnn_bench.report.contents import Section


def unread_section(results: Results) -> Section | None:
    """Say what the other sections could not use. It is made after them."""
    if not results.unread:
        return None
    return Section("unread", "Files that cannot be read", list(dict.fromkeys(results.unread)))

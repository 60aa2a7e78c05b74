"""Find the datelines of articles, and what the study's rule for datelines removes beside them."""

from rnn_bench.data.audit.results import DatelineCuts
from rnn_bench.data.corpora.study_files import DATELINE
from rnn_bench.data.corpus import Articles, Columns

LONGEST = 100  # characters; a dash further on ends a sentence, not a dateline


def dateline(text: str) -> str:
    """Return the start of an article that the study's rule removes, such as `WASHINGTON (Reuters)
    - `, or "" where it is too long to be a dateline."""
    match = DATELINE.match(text)
    return match.group() if match and len(match.group()) <= LONGEST else ""


def dateline_cuts(articles: Articles, columns: Columns) -> dict[str, DatelineCuts]:
    """Return what the study's rule removed from the articles of `train` and `test`; {} where it was
    not applied, or where that is not known."""
    if "removed" not in columns:
        return {}
    train, test = columns["removed"]
    return {"train": _cuts(train[: len(articles.train[0])]), "test": _cuts(test)}


def _cuts(removed: list[str]) -> DatelineCuts:
    lengths = [len(start) for start in removed if start]
    return DatelineCuts(
        articles=len(lengths),
        limit=LONGEST,
        beyond=sum(length > LONGEST for length in lengths),
        longest=max(lengths, default=0),
    )

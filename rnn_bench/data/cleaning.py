"""Clean a text before it is split into tokens."""

import re
from collections.abc import Callable

_REMOVED_BY_STUDY = re.compile(r"[^a-z0-9\s]")


def clean_like_the_study(text: str) -> str:
    """Return the text in lower case, without all but a-z, 0-9 and Unicode white space."""
    return _REMOVED_BY_STUDY.sub("", text.lower())


CLEANINGS: dict[str, Callable[[str], str]] = {
    "study": clean_like_the_study,
    "lower": str.lower,
    "none": str,
}

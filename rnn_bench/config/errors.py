"""Errors that a user can cause, and the wording of messages."""

import difflib
import re
import textwrap
from collections.abc import Iterable


class UsageError(Exception):
    """An error that the user can mend. Its message says what is wrong, where, and what to do; the
    command line prints it without a traceback."""


class ConfigError(UsageError):
    """A configuration key is unknown, or its value is not possible."""


class OutOfMemory(UsageError):
    """A run does not fit into the memory of its device."""


def describe(error: BaseException) -> str:
    """Return an error's type and message in a line of at most 500 characters. What is out of memory
    says so itself."""
    kind = "" if isinstance(error, OutOfMemory) else f"{type(error).__name__}: "
    return shorten(f"{kind}{error}", 500)


def shorten(text: str, width: int) -> str:
    """Return the text in one line of at most `width` characters, cut between words."""
    return textwrap.shorten(text, width, placeholder=" ...")


def listed(names: Iterable[str], most: int = 12) -> str:
    """Return names for a message: long ones are cut, and many are not all there."""
    found = [repr(name if len(name) <= 40 else f"{name[:37]}...") for name in names]
    more = f" and {len(found) - most} more" * (len(found) > most)
    return ", ".join(found[:most]) + more or "none"


def format_ends(values: Iterable[float], form: str = ",") -> str:
    """Return `372 to 1,377`, the lowest and the highest; `377` where both read the same; `0`
    without any."""
    found = [*values] or [0]
    ends = (format(value, form) for value in (min(found), max(found)))
    return " to ".join(dict.fromkeys(ends))


def printable(text: str) -> str:
    """Return the text with its control signs written as escapes, except tabs and line breaks. A
    name from a record could otherwise clear a terminal, or set its title."""
    return re.sub(r"[\0-\x08\x0b-\x1f\x7f-\x9f]", lambda sign: ascii(sign[0])[1:-1], text)


def suggestion(word: str, known: list[str]) -> str:
    """Return " Did you mean ...?" with the known word that is nearest, or ""."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f" Did you mean {near[0]}?" if near else ""

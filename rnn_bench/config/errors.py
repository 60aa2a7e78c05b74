"""Errors that a user can cause, and their wording."""

import difflib
import textwrap


class UsageError(Exception):
    """What the user asked for cannot be; the message says what is wrong, where, and what to do."""


class ConfigError(UsageError):
    """A configuration key has a value that it cannot have."""


def describe(error: BaseException) -> str:
    """An error in a line."""
    return shortened(f"{type(error).__name__}: {error}", 500)


def shortened(text: str, width: int) -> str:
    """In one line, of whole words."""
    return textwrap.shorten(text, width, placeholder=" ...")


def suggestion(word: str, known: list[str]) -> str:
    """' Did you mean ...?' with the known word that is nearest, or nothing."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f" Did you mean {near[0]}?" if near else ""

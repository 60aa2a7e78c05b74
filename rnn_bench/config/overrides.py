"""Turns the words of a command line into overrides that Hydra can read."""

import re
import shlex
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import get_origin

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from rnn_bench.config.errors import ConfigError
from rnn_bench.config.options import Option
from rnn_bench.config.schema import SCHEMAS
from rnn_bench.config.search import Search

# Keys whose value is a dictionary of any names: Hydra takes a new name only with ++ before its key.
OWNERS: tuple[type[Option], ...] = (*SCHEMAS.values(), Search)
DICTIONARIES = tuple(
    f"{schema.group}.{each.name}"
    for schema in OWNERS
    for each in fields(schema)
    if get_origin(each.type) is dict
)
# A value, or one of a list of them, that begins with the home folder.
HOME = re.compile(r"""(?<=[=,\[])(['"]?)~(?=/)""")


def read_overrides(words: Iterable[str]) -> list[str]:
    """Return the overrides of a command line as Hydra takes them: `~/` is the home folder, and
    names can be added to the dictionaries of a schema.

    Raises:
        ConfigError: an override has no key, or one that another has too, or sets `sweep_id`.
    """
    lines: dict[str, str] = {}
    for word in words:
        key = key_of(word)
        if not key and "=" in word:
            raise ConfigError(f"{word} has no key. An override is written KEY=VALUE: seed=1")
        if key == "sweep_id":
            raise ConfigError("sweep_id is not possible. The command makes a new one each time.")
        if key in lines:
            raise ConfigError(
                f"{key} is given twice: {lines[key]} and {word}. Leave one out; "
                f"a sweep, -m, takes several values: {key}=A,B"
            )
        lines[key] = word
    return [_as_hydra_takes(word, key) for key, word in lines.items()]


def key_of(line: str) -> str:
    """Return the key, or the group, of an override."""
    return line.lstrip("+~").partition("=")[0]


def not_deletable(line: str) -> str:
    """Return what is said to an override that deletes a key which every run has."""
    return f"{line} is not possible: every run has it. Give a value: {key_of(line)}=..."


def has_plain_seed(lines: Iterable[str]) -> bool:
    """Return whether overrides give the seed once, as a whole number."""
    return sum(bool(re.fullmatch("seed=[0-9]+", line)) for line in lines) == 1


def _as_hydra_takes(word: str, key: str) -> str:
    line = HOME.sub(lambda found: found[1] + str(Path.home()), word)
    owner = next((name for name in DICTIONARIES if key == name or key.startswith(f"{name}.")), "")
    return f"++{line}" if owner and word[0] not in "+~" else line


def unreadable(line: str, reason: str) -> str:
    """Return what is wrong with an override that Hydra's grammar refuses, and how to write it."""
    key, equals, value = line.partition("=")
    if not equals:
        return f"{line} cannot be read. An override is written KEY=VALUE: seed=1"
    if not re.fullmatch(r"[+~]*[\w.@/:$-]+", key, re.ASCII):
        return f"{line} cannot be read: {key!r} is no key. An override is written KEY=VALUE: seed=1"
    rewritten = f"{key}={quoted(value)}"
    try:
        read = OverridesParser.create().parse_override(rewritten).value()
    except HydraException:
        read = None
    if read != value:
        return f"{line} cannot be read: {reason}"
    forms = ""
    if re.match(r"[\[{]|\w+\(", value) or value.endswith(","):
        forms = " Values are written A,B, lists [A,B], dictionaries {a:1,b:2}, ranges range(0,3)."
    return (
        f"{line} cannot be read.{forms} "
        f"A text with such signs needs two quotations: {_shell_word(rewritten)}"
    )


def quoted(value: str) -> str:
    """Return a value in quotes, as which Hydra takes every text."""
    escaped = re.sub(r"(\\*)('|$)", lambda end: end[1] * 2 + ("\\'" if end[2] else ""), value)
    return f"'{escaped}'"


def _shell_word(text: str) -> str:
    return f'"{text}"' if not re.search(r'["$`\\!]', text) else shlex.quote(text)

"""Checks the overrides of a command line that Hydra would take, and that no run can have."""

import itertools
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.types import Override, RangeSweep
from hydra.types import RunMode

from rnn_bench.config.errors import ConfigError
from rnn_bench.config.options import Option
from rnn_bench.config.overrides import key_of, not_deletable
from rnn_bench.config.schema import GROUPS, SCHEMAS, Config

MOST_RUNS = 1_000_000
OWN_NAMES = {each.name for each in fields(Config)}
EVERY_SCHEMA: tuple[type[Option], ...] = (Config, *SCHEMAS.values())
# Keys that are true or false; OmegaConf takes every whole number for one of them.
SWITCHES = {
    f"{schema.group}.{each.name}".lstrip(".")
    for schema in EVERY_SCHEMA
    for each in fields(schema)
    if each.type in (bool, bool | None)
}


def check_override(override: Override, mode: RunMode, loader: ConfigLoader) -> None:
    """Check an override before anything is composed.

    Raises:
        ConfigError: it has several options or values where one is possible, no option of its group,
            or changes what Hydra itself is made of.
    """
    key, line = override.key_or_group, override.input_line or ""
    group = key if key in GROUPS else ""
    is_group = bool(group or loader.get_group_options(key))
    if group and override.is_delete():
        raise ConfigError(f"{line} is not possible: a run needs a {group}.")
    if override.is_delete() and key in OWN_NAMES:
        raise ConfigError(not_deletable(line))
    if key.startswith("hydra.") and key.endswith("._target_"):
        name = key.removeprefix("hydra.").removesuffix("._target_")
        raise ConfigError(f"{line} is not possible: choose with hydra/{name}=...")
    if key in SWITCHES and not override.is_delete():
        _check_switch(override)
    if override.is_sweep_override():
        if mode is RunMode.RUN:
            as_list = "." if group else "; a list is written [a,b]."
            raise ConfigError(f"{line} names several values: only a sweep, -m, runs each{as_list}")
    elif is_group and not override.is_delete() and not _names_option(override.value(), group):
        raise ConfigError(f"{line} is not possible: it must be the name of one {key}.")
    if key == "experiment" and not override.is_add() and not override.is_force_add():
        raise ConfigError(f"{line} is not possible: a preset is added, +{line.lstrip('+~')}")


def _check_switch(override: Override) -> None:
    values = override.sweep_iterator() if override.is_discrete_sweep() else [override.value()]
    for value in values:
        if re.fullmatch("-?[0-9]+", str(value)) and str(value) not in ("0", "1"):
            line = override.input_line
            raise ConfigError(f"{line} is not possible: {value} is neither true nor false.")


def _names_option(value: Any, group: str) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and not group)


def check_size(overrides: Sequence[Override]) -> None:
    """Check that a sweep has a run, and not too many of them.

    Raises:
        ConfigError: it has none, or more than `MOST_RUNS`.
    """
    runs = 1
    for override in overrides:
        if override.is_sweep_override():
            if not override.is_discrete_sweep():
                raise ConfigError(
                    f"The sweep cannot be read: {override.input_line} has no list of values. "
                    "Write A,B or range(1,3)."
                )
            runs *= _values(override)
            if runs == 0:
                raise ConfigError(f"{override.input_line} names no value: the sweep has no runs.")
            if runs > MOST_RUNS:
                raise ConfigError(
                    f"The sweep has more than {MOST_RUNS:,} runs, with {override.input_line}. "
                    "Divide it into several."
                )


def _values(override: Override) -> int:
    """Count the values of an override up to one more than a sweep may have."""
    given = override.value()
    if isinstance(given, RangeSweep):
        if given.start is None or given.stop is None or not given.step:
            raise ConfigError(f"{override.input_line} is not possible: a range needs a step.")
        if not math.isfinite(given.stop - given.start):
            raise ConfigError(f"{override.input_line} is not possible: a range needs two ends.")
        return min(max(0, math.ceil((given.stop - given.start) / given.step)), MOST_RUNS + 1)
    return sum(1 for _ in itertools.islice(override.sweep_iterator(), MOST_RUNS + 1))


def check_deletions(lines: Iterable[str], config: Config) -> None:
    """Check that no override removes a key that every run has, which would be given back in
    silence.

    Raises:
        ConfigError: one does.
    """
    for line in lines:
        group, _, name = key_of(line).rpartition(".")
        option = getattr(config, group, None) if group else config
        if line.startswith("~") and name in getattr(option, "__dataclass_fields__", ()):
            raise ConfigError(not_deletable(line))

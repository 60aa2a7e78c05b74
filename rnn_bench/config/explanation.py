"""Explains Hydra's and OmegaConf's errors: the key, its value, and what is allowed."""

import pickle
import re
from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any, cast, get_args, get_origin

from hydra.core.config_loader import ConfigLoader
from hydra.errors import MissingConfigException, OverrideParseException
from hydra.types import RunMode
from omegaconf import (
    BooleanNode,
    DictConfig,
    FloatNode,
    IntegerNode,
    ListConfig,
    OmegaConf,
    StringNode,
)
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    MissingMandatoryValue,
    OmegaConfBaseException,
    ValidationError,
)

from rnn_bench.config.errors import suggestion
from rnn_bench.config.launcher import missing_plugin
from rnn_bench.config.overrides import key_of, not_deletable, unreadable
from rnn_bench.config.schema import GROUPS

A_LIST, A_DICTIONARY = "a list such as [a,b]", "a dictionary such as {a:1,b:2}"
WANTED = {
    int: "an integer",
    float: "a number",
    bool: "true or false",
    str: "a text",
    IntegerNode: "an integer",
    FloatNode: "a number",
    BooleanNode: "true or false",
    StringNode: "a text",
    list: A_LIST,
    ListConfig: A_LIST,
    dict: A_DICTIONARY,
    DictConfig: A_DICTIONARY,
}
RENAMED = {"dataset=csv": "dataset=table"}
LINES = 4  # of an error that is shown as Hydra words it


def explain(error: Exception, overrides: Sequence[str], loader: ConfigLoader) -> str:
    """Return an error of a command line's overrides in words."""
    if isinstance(error, MissingConfigException):
        return _unknown_option(error)
    if isinstance(error, OverrideParseException):
        return unreadable(str(error.override), str(error).splitlines()[0])
    if deleted := re.search(r"Could not delete from config. '(\S+)' does not exist", str(error)):
        return _unknown_key(deleted[1], overrides, loader)
    cause = error if isinstance(error, OmegaConfBaseException) else error.__cause__
    if isinstance(cause, ConfigAttributeError | ConfigKeyError):
        return _unknown_key(str(cause.full_key), overrides, loader)
    if isinstance(cause, MissingMandatoryValue):
        return f"{cause.full_key} has no value: give one with {cause.full_key}=..."
    if isinstance(cause, ValidationError) and (wanted := _wanted(cause)):
        value = "null" if cause.value is None else cause.value
        return f"{cause.full_key}={value} is not possible: it must be {wanted}."
    if "Cannot merge" in str(cause) and (kind := get_origin(getattr(cause, "ref_type", None))):
        key = str(getattr(cause, "full_key", ""))
        line = next((each.lstrip("+") for each in overrides if key_of(each) == key), key)
        return f"{line} is not possible: it must be {WANTED[kind]}."
    if "does not support deletion" in str(cause):
        key = str(getattr(cause, "full_key", ""))
        return not_deletable(f"~{key}")
    lines = [line for line in f"{error}\n{cause or ''}".splitlines() if line.strip()]
    return "\n".join(list(dict.fromkeys(lines))[:LINES])


def _wanted(error: ValidationError) -> str:
    """Return the type that a key's value must have; "" if the error does not say it."""
    if error.child_node is not None:
        return WANTED.get(type(error.child_node), "")
    element = get_args(error.ref_type)[-1:]  # of a list, or of a dictionary's values
    return WANTED.get(element[0], "") if element else ""


def _unknown_option(error: MissingConfigException) -> str:
    wanted = error.missing_cfg_file or ""
    group, _, option = wanted.rpartition("/")
    options = list(error.options or [])
    if new := RENAMED.get(f"{group.removeprefix('schema/')}={option}"):
        return f"{group}={option} is not possible: it is called {new}, with the same keys."
    if group == "hydra/launcher" and (install := missing_plugin(option)):
        return install
    if not options:
        return f"There is no {wanted}."
    return (
        f"{group}={option} is not possible: there is no such {group}."
        f"{suggestion(option, options)}\nOptions: {', '.join(options)}"
    )


def _unknown_key(key: str, overrides: Sequence[str], loader: ConfigLoader) -> str:
    groups = [line for line in overrides if line.partition("=")[0] in GROUPS and "," not in line]
    config = loader.load_configuration("config", groups, RunMode.RUN)
    known = [*_keys(OmegaConf.to_container(without_hydra(config)))]
    if key.startswith("hydra."):
        known = [*_keys(OmegaConf.to_container(config.hydra), "hydra.")]
    if key in known:  # which Hydra does not delete where its value is empty
        return not_deletable(f"~{key}")
    scope, _, name = key.rpartition(".")
    if inner := [each for each in known if not scope and each.rpartition(".")[2] == name]:
        return f"{key} is not a configuration key. Did you mean {' or '.join(inner)}?"
    keys = [each.removeprefix(f"{scope}.") for each in known if each.rpartition(".")[0] == scope]
    return f"{key} is not a configuration key.{suggestion(key, known)}" + (
        f"\nKeys of {scope or 'the top level'}: {', '.join(keys)}" if keys else ""
    )


def _keys(config: Any, prefix: str = "") -> Iterator[str]:
    """Yield the full name of every key of a nested dictionary, an inner one before its owner."""
    for name, value in config.items():
        if isinstance(value, dict):
            yield from _keys(value, f"{prefix}{name}.")
        if not str(name).startswith("_"):
            yield f"{prefix}{name}"


def without_hydra(config: DictConfig) -> DictConfig:
    """Return a copy of a composed config without Hydra's own part."""
    copy = copied(config)
    OmegaConf.set_struct(copy, False)
    copy.pop("hydra", None)
    return copy


def copied(config: DictConfig) -> DictConfig:
    """Return a copy of a config. Made through bytes, it takes a third of the time of OmegaConf's
    own copies, which a sweep of hundreds of runs would wait for. A class that was imported a second
    time, as Hydra's plugins are, or stands in a function has no bytes: then the copy is
    OmegaConf's."""
    try:
        return cast(DictConfig, pickle.loads(pickle.dumps(config)))
    except (pickle.PicklingError, AttributeError, TypeError):
        return deepcopy(config)

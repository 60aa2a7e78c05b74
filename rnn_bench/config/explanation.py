"""Hydra's and OmegaConf's errors in the user's words: the key, its value, and what is allowed."""

import re
from collections.abc import Iterator, Sequence

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.errors import MissingConfigException, OverrideParseException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from rnn_bench.config.clusters import without_plugin
from rnn_bench.config.errors import suggestion
from rnn_bench.config.schema import GROUPS

TYPES = {"Integer": "an integer", "Float": "a number", "bool": "true or false"}


def explain(error: Exception, overrides: Sequence[str], loader: ConfigLoaderImpl) -> str:
    """What is wrong with a command line's overrides."""
    text = f"{error}\n{error.__cause__ or ''}"
    if isinstance(error, MissingConfigException):
        return _unknown_option(error)
    if found := re.search(r"Could not override '([^']+)'|Key '([^']+)' (?:is )?not in", text):
        return _unknown_key(found[1] or found[2], overrides, loader)
    if found := re.search(r"Missing mandatory value: (\S+)", text):
        return f"{found[1]} has no value: give one with {found[1]}=..."
    if found := re.search(r"Ambiguous value for argument '(.*)'", text):
        is_list = found[1].partition("=")[0] not in GROUPS
        return f"{found[1]} names several values: add -m to run each" + (
            ", or write [a,b] for a list." if is_list else "."
        )
    if isinstance(error, OverrideParseException):
        return f"{error.override} cannot be read: {str(error).splitlines()[0]}"
    key = re.search(r"full_key: (\S+)", text)
    found = re.search(
        r"Value '(.*)' (?:of type '.*' could not be converted to|is not a valid) (\w+)", text
    )
    if key and found:
        wanted = TYPES.get(found[2], found[2])
        return f"{key[1]}={found[1]} is not possible: it must be {wanted}."
    lines = [line for line in text.splitlines() if line.strip()]
    return "\n".join(lines[:4])


def _unknown_option(error: MissingConfigException) -> str:
    wanted = error.missing_cfg_file or ""
    group, _, option = wanted.rpartition("/")
    options = list(error.options or [])
    if group == "hydra/launcher" and without_plugin(option):
        return without_plugin(option)
    if not options:
        return f"There is no {wanted}."
    return (
        f"{group}={option} is not possible: there is no such {group}."
        f"{suggestion(option, options)}\nOptions: {', '.join(options)}"
    )


def _unknown_key(key: str, overrides: Sequence[str], loader: ConfigLoaderImpl) -> str:
    groups = [line for line in overrides if line.partition("=")[0] in GROUPS and "," not in line]
    usual = loader.load_configuration("config", groups, RunMode.RUN)
    known = [*_paths(without_hydra(usual))]
    if key.startswith("hydra.launcher."):
        known = [*_paths(usual.hydra.launcher, "hydra.launcher.")]
    near = suggestion(key, known)
    scope = key.rpartition(".")[0]
    keys = [path.removeprefix(f"{scope}.") for path in known if path.rpartition(".")[0] == scope]
    return f"{key} is not a configuration key.{near}" + (
        f"\nKeys of {scope or 'the top level'}: {', '.join(keys)}" if keys else ""
    )


def _paths(config: DictConfig, prefix: str = "") -> Iterator[str]:
    for key in map(str, config):
        path = f"{prefix}{key}"
        value = config._get_node(key)
        if isinstance(value, DictConfig) and not value._is_none() and not value._is_missing():
            yield from _paths(value, f"{path}.")
        if not key.startswith("_"):
            yield path


def without_hydra(config: DictConfig) -> DictConfig:
    """A copy of a composed config without Hydra's own part."""
    copy = config.copy()
    OmegaConf.set_struct(copy, False)
    copy.pop("hydra", None)
    return copy

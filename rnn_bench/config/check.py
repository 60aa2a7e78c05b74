"""Checks a composed config and turns it into a `Config`."""

from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import cast

from omegaconf import DictConfig, OmegaConf

from rnn_bench.config.dataset import Dataset, Splitting
from rnn_bench.config.errors import ConfigError
from rnn_bench.config.model import Model
from rnn_bench.config.optimizer import Optimizer
from rnn_bench.config.options import check_against_target, check_value, unknown_keys
from rnn_bench.config.schema import GROUPS, Config


def check_config(config: DictConfig) -> Config:
    """Return a composed config as a `Config`, each group as its own dataclass.

    A user's own option, without a schema, stays a dictionary. Its keys, and keys that are added to
    an option with a schema, must be arguments of its `_target_`.

    Raises:
        ConfigError: a key is missing, unknown, or has a value that is not allowed.
        OmegaConfBaseException: a value has the wrong type, or cannot be interpolated.
    """
    for group in (*GROUPS, "evaluation", "tracking", "search"):
        value = None if OmegaConf.is_missing(config, group) else config[group]
        if not isinstance(value, DictConfig):
            raise ConfigError(f"{group}={value} is not possible: a run needs a {group}.")
    for name in sorted(_keys_without_value(config)):
        raise ConfigError(f"{name} has no value: give one with {name}=...")
    typed = cast(Config, OmegaConf.to_object(config))
    for schema in (Dataset, Model, Optimizer):
        option = getattr(typed, schema.group)
        if isinstance(option, dict):
            if not str(option.get("name") or "").strip():
                raise ConfigError(
                    f"{schema.group}.name is missing: the name in tables and run names."
                )
            for each in fields(schema):
                if isinstance(value := option.get(each.name), int | float):
                    check_value(schema.group, each, value)
        check_against_target(schema, option)
    Splitting.of(typed.dataset)
    for option in (typed, typed.protocol, typed.evaluation, typed.tracking, typed.search):
        for name in unknown_keys(option):
            path = f"{option.group}.{name}".lstrip(".")
            raise ConfigError(f"{path} is not a configuration key.")
    return typed


def _keys_without_value(config: DictConfig, prefix: str = "") -> Iterator[str]:
    """Yield the full name of every key whose value is `???`. Interpolations are not followed."""
    for key in cast(Iterable[int | str], config):
        if OmegaConf.is_missing(config, key):
            yield f"{prefix}{key}"
        elif not OmegaConf.is_interpolation(config, key) and OmegaConf.is_dict(config[key]):
            yield from _keys_without_value(config[key], f"{prefix}{key}.")

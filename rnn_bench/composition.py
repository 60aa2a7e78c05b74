"""From a command line to checked configs, one a run, and to errors that name the key."""

import argparse
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import platformdirs
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rnn_bench.config import Config, ConfigError, checked, register_schemas, suggestion

TYPES = {"Integer": "an integer", "Float": "a number", "bool": "true or false"}
GROUPS = ("dataset", "model", "optimizer", "protocol")


@dataclass(frozen=True)
class Job:
    """A run to make, and the same options with no key changed."""

    config: Config
    defaults: Config


def config_folder() -> Path:
    """The YAML files: inside the package in a wheel, beside it in a checkout."""
    package = Path(__file__).parent
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"


def register() -> None:
    """Make schemas and resolvers known to Hydra and OmegaConf. Needed once a process."""
    register_schemas()
    cache = platformdirs.user_cache_dir("rnn_bench", appauthor=False)
    OmegaConf.register_new_resolver("user_cache_dir", lambda: cache, replace=True)
    OmegaConf.register_new_resolver("file_stem", lambda path: Path(path).stem, replace=True)


class Composer:
    """Composes configs as Hydra does, with the same search path.

    Raises:
        ConfigError: a folder of `config_dirs` is not there.
    """

    def __init__(self, config_dirs: Sequence[str] = ()) -> None:
        register()
        search_path = create_config_search_path(str(config_folder()))
        for folder in config_dirs:
            if not Path(folder).is_dir():
                raise ConfigError(f"--config-dir {folder}: there is no such folder.")
            search_path.prepend(
                "command-line",
                f"file://{Path(folder).absolute()}",
                anchor=SearchPathQuery(provider="schema"),
            )
        self.loader = ConfigLoaderImpl(search_path)
        self._usual: dict[tuple[str, ...], DictConfig] = {}

    def compose(self, overrides: Sequence[str], mode: RunMode = RunMode.RUN) -> DictConfig:
        """One config, with Hydra's own part.

        Raises:
            ConfigError: an override names no key or option, or has the wrong type.
        """
        try:
            return self.loader.load_configuration("config", list(overrides), run_mode=mode)
        except (HydraException, OmegaConfBaseException) as error:
            raise ConfigError(self._explain(error, overrides)) from error

    def jobs(self, arguments: argparse.Namespace) -> list[Job]:
        """Every run that a command line asks for, checked.

        Raises:
            ConfigError: what is wrong in any of them.
        """
        overrides = list(arguments.overrides)
        mode = RunMode.MULTIRUN if arguments.multirun else RunMode.RUN
        master = self.compose(overrides, mode)
        if arguments.multirun or master.hydra.mode == RunMode.MULTIRUN:
            return [self.job(self.compose(each)) for each in self._split(master, overrides)]
        return [self.job(master)]

    def job(self, config: DictConfig) -> Job:
        """A composed config, with Hydra's own part, as a checked job."""
        own = _without_hydra(config)
        try:
            typed = checked(own)
        except OmegaConfBaseException as error:
            raise ConfigError(self._explain(error, [])) from error
        choices = config.hydra.runtime.choices
        usual = self._defaults(tuple(f"{group}={choices[group]}" for group in GROUPS))
        for group in GROUPS:
            for key in usual[group]:
                if OmegaConf.is_missing(usual[group], key):
                    usual[group][key] = own[group][key]
        usual.sweep_id = own.sweep_id
        return Job(typed, checked(usual))

    def _defaults(self, choices: tuple[str, ...]) -> DictConfig:
        if choices not in self._usual:
            self._usual[choices] = _without_hydra(self.compose(choices))
        return self._usual[choices].copy()

    def _split(self, master: DictConfig, overrides: list[str]) -> list[list[str]]:
        params = OmegaConf.select(master, "hydra.sweeper.params") or {}
        lines = [f"{key}={value}" for key, value in params.items()] + overrides
        parsed = OverridesParser.create(config_loader=self.loader).parse_overrides(lines)
        return BasicSweeper.split_arguments(parsed, None)[0]

    def _explain(self, error: Exception, overrides: Sequence[str]) -> str:
        text = f"{error}\n{error.__cause__ or ''}"
        if isinstance(error, MissingConfigException):
            return self._unknown_option(error)
        if found := re.search(r"Could not override '([^']+)'|Key '([^']+)' (?:is )?not in", text):
            return self._unknown_key(found[1] or found[2], overrides)
        if found := re.search(r"Missing mandatory value: (\S+)", text):
            return f"{found[1]} has no value: give one with {found[1]}=..."
        if found := re.search(r"Ambiguous value for argument '(.*)'", text):
            return (
                f"{found[1]} names several values: add -m to run each, or write [a,b] for a list."
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

    def _unknown_option(self, error: MissingConfigException) -> str:
        wanted = error.missing_cfg_file or ""
        group, _, option = wanted.rpartition("/")
        options = error.options or []
        if not options:
            return f"There is no {wanted}."
        return (
            f"{group}={option} is not possible: there is no such {group}."
            f"{suggestion(option, list(options))}\nOptions: {', '.join(options)}"
        )

    def _unknown_key(self, key: str, overrides: Sequence[str]) -> str:
        groups = [
            line for line in overrides if line.partition("=")[0] in GROUPS and "," not in line
        ]
        usual = _without_hydra(self.loader.load_configuration("config", groups, RunMode.RUN))
        known = [*_paths(usual)]
        near = suggestion(key, known)
        scope = key.rpartition(".")[0]
        keys = [
            path.removeprefix(f"{scope}.") for path in known if path.rpartition(".")[0] == scope
        ]
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


def _without_hydra(config: DictConfig) -> DictConfig:
    copy = config.copy()
    OmegaConf.set_struct(copy, False)
    copy.pop("hydra", None)
    return copy

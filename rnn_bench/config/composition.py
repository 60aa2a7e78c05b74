"""From a command line to checked configs, one a run."""

import argparse
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import cast

import platformdirs
from hydra._internal.config_loader_impl import ConfigLoaderImpl, get_overrides_dirname
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

import rnn_bench
from rnn_bench.config.clusters import RESOLVERS, Engine, engine
from rnn_bench.config.dataset import Dataset
from rnn_bench.config.errors import ConfigError
from rnn_bench.config.explanation import explain, without_hydra
from rnn_bench.config.launcher import Packed, register_launcher
from rnn_bench.config.model import Model, cell_name
from rnn_bench.config.optimizer import Optimizer
from rnn_bench.config.options import check_against_target, unknown_keys
from rnn_bench.config.schema import GROUPS, Config, register_schemas

# What a sweep has once, whatever its runs are.
OF_THE_SWEEP = ("tracking", "output_dir", "plan", "rerun")

# Keys of a run that are no group.
PLAIN_KEYS = {each.name for each in fields(Config)} - {*GROUPS, "evaluation", "tracking"}


@dataclass(frozen=True)
class Job:
    """A run to make, the same options with no key changed, and the name of Hydra's launcher (a
    single run is made here, as by basic); the config as Hydra composed it; the engine that the
    launcher hands runs to, if any, and its keys if it is the packed one."""

    config: Config
    defaults: Config
    launcher: str
    composed: DictConfig
    engine: Engine | None = None
    packing: Packed | None = None


def config_folder() -> Path:
    """The YAML files: inside the package in a wheel, beside it in a checkout."""
    package = Path(rnn_bench.__file__).parent
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"


def register() -> None:
    """Make schemas and resolvers known to Hydra and OmegaConf. Needed once a process."""
    register_schemas()
    register_launcher()
    cache = platformdirs.user_cache_dir("rnn_bench", appauthor=False)
    OmegaConf.register_new_resolver("user_cache_dir", lambda: cache, replace=True)
    OmegaConf.register_new_resolver("file_stem", lambda path: Path(path).stem, replace=True)
    OmegaConf.register_new_resolver("cell_name", cell_name, replace=True)
    for name, resolver in RESOLVERS.items():
        OmegaConf.register_new_resolver(name, resolver, replace=True)


class Composer:
    """Composes configs as Hydra does, with the same search path: the project's own, the folders
    of `--config-dir`, and what an override of `hydra.searchpath` names.

    Raises:
        ConfigError: a folder of `config_dirs` is not there.
    """

    def __init__(self, config_dirs: Sequence[str] = (), overrides: Sequence[str] = ()) -> None:
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
        self._searchpath = [line for line in overrides if line.startswith("hydra.searchpath=")]
        self._usual: dict[tuple[str, ...], DictConfig] = {}
        self._chosen: dict[tuple[str, ...], DictConfig] = {}
        self._masters: dict[tuple[RunMode, tuple[str, ...]], DictConfig] = {}

    def compose(self, overrides: Sequence[str], mode: RunMode = RunMode.RUN) -> DictConfig:
        """One config, with Hydra's own part.

        Raises:
            ConfigError: an override names no key or option, or has the wrong type.
        """
        lines = list(overrides)
        try:
            parsed = OverridesParser.create(config_loader=self.loader).parse_overrides(lines)
            for each in parsed:
                named = isinstance(each.value(), str) or each.is_sweep_override()
                if each.key_or_group in GROUPS and not each.is_delete() and not named:
                    raise ConfigError(
                        f"{each.input_line} is not possible: it must be the name of one "
                        f"{each.key_or_group}."
                    )
            return self.loader.load_configuration("config", lines, run_mode=mode)
        except (HydraException, OmegaConfBaseException) as error:
            raise ConfigError(explain(error, overrides, self.loader)) from error

    def preset(self, arguments: argparse.Namespace) -> list[str]:
        """What the sweep of a preset (`hydra.sweeper.params`) adds to a command line: the values
        of every key that the line does not narrow.

        Raises:
            ConfigError: as of `compose`.
        """
        master = self._master(arguments, RunMode.MULTIRUN)
        params = OmegaConf.select(master, "hydra.sweeper.params")
        if not params:
            return []
        named = {line.lstrip("+").partition("=")[0] for line in arguments.overrides}
        lines = [f"{key}={value}" for key, value in params.items() if key not in named]
        return [*lines, "hydra.sweeper.params=null"]

    def jobs(self, arguments: argparse.Namespace) -> list[Job]:
        """Every run that a command line asks for, checked.

        Raises:
            ConfigError: what is wrong in any of them.
        """
        mode = RunMode.MULTIRUN if arguments.multirun else RunMode.RUN
        master = self._master(arguments, mode)
        if not arguments.multirun and master.hydra.mode != RunMode.MULTIRUN:
            single = self.job(master)
            if single.engine:
                raise ConfigError(f"hydra/launcher={single.launcher} carries sweeps: add -m.")
            return [replace(single, launcher="basic")]
        if master.hydra.runtime.choices["hydra/sweeper"] != "basic":
            raise ConfigError("A sweep compares every combination: hydra/sweeper must be basic.")
        packing = self._packing(master)
        lines = [*master.hydra.overrides.hydra, "hydra.mode=MULTIRUN"]
        jobs = [
            replace(self.job(self._with_values(lines, each)), packing=packing)
            for each in self._split([*master.hydra.overrides.task])
        ]
        for name in OF_THE_SWEEP:
            if any(getattr(job.config, name) != getattr(jobs[0].config, name) for job in jobs):
                raise ConfigError(f"{name} must be the same for all runs of a sweep.")
        return jobs

    def job(self, config: DictConfig) -> Job:
        """A composed config, with Hydra's own part, as a checked job.

        Raises:
            ConfigError: a key is missing, unknown, or has a value that is not allowed.
        """
        own = without_hydra(config)
        try:
            typed = checked(own)
        except OmegaConfBaseException as error:
            raise ConfigError(explain(error, [], self.loader)) from error
        usual = self._defaults(_choices(config))
        for group in GROUPS:
            for key in usual[group]:
                if OmegaConf.is_missing(usual[group], key):
                    usual[group][key] = own[group][key]
        usual.sweep_id = own.sweep_id
        launcher = config.hydra.runtime.choices["hydra/launcher"]
        return Job(typed, checked(usual), launcher, config, engine(config.hydra.launcher))

    def _master(self, arguments: argparse.Namespace, mode: RunMode) -> DictConfig:
        """The config of a whole command line, of which a sweep makes one for each job."""
        key = mode, tuple(arguments.overrides)
        if key not in self._masters:
            self._masters[key] = self.compose(arguments.overrides, mode)
        return self._masters[key]

    def _with_values(self, hydra_lines: list[str], lines: list[str]) -> DictConfig:
        """What `compose` makes of these lines. What takes it long, choosing and merging YAML files,
        is done once for all jobs that differ only in the values of keys."""
        values = [line for line in lines if _gives_value(line)]
        choices = (*hydra_lines, *(line for line in lines if line not in values))
        if choices not in self._chosen:
            chosen = self._chosen[choices] = self.compose(choices)
            if all(line.partition("=")[0] in GROUPS for line in choices[len(hydra_lines) :]):
                self._usual[_choices(chosen)] = without_hydra(chosen)
        config = deepcopy(self._chosen[choices])
        try:
            parsed = OverridesParser.create().parse_overrides(lines)
            self.loader._apply_overrides_to_config(
                [each for each in parsed if each.input_line in values], config
            )
        except (HydraException, OmegaConfBaseException) as error:
            raise ConfigError(explain(error, lines, self.loader)) from error
        config.hydra.overrides.task = lines
        naming = config.hydra.job.config.override_dirname
        config.hydra.job.override_dirname = get_overrides_dirname(
            parsed, naming.exclude_keys, naming.item_sep, naming.kv_sep
        )
        return config

    def _defaults(self, choices: tuple[str, ...]) -> DictConfig:
        if choices not in self._usual:
            self._usual[choices] = without_hydra(self.compose([*self._searchpath, *choices]))
        return self._usual[choices].copy()

    def _packing(self, master: DictConfig) -> Packed | None:
        if master.hydra.runtime.choices["hydra/launcher"] != "packed":
            return None
        return cast(Packed, OmegaConf.to_object(master.hydra.launcher))

    def _split(self, lines: list[str]) -> list[list[str]]:
        try:
            parsed = OverridesParser.create(config_loader=self.loader).parse_overrides(lines)
            return BasicSweeper.split_arguments(parsed, None)[0]
        except (HydraException, ValueError) as error:
            raise ConfigError(f"The sweep cannot be read: {error}") from error


def _choices(config: DictConfig) -> tuple[str, ...]:
    """The overrides that choose a composed config's option of each group."""
    choices = config.hydra.runtime.choices
    return tuple(f"{group}={choices[group]}" for group in GROUPS)


def _gives_value(line: str) -> bool:
    """Whether an override's key is certainly no group: model.cell=gru or seed=1, not model=gru."""
    key, equals, _ = line.lstrip("+").partition("=")
    return bool(equals) and ("." in key.partition("@")[0] or key in PLAIN_KEYS)


def checked(config: DictConfig) -> Config:
    """The composed config as a `Config`, each group as its own dataclass.

    A group option without a schema, a user's own, stays a dictionary. Its keys, and keys that
    the command line adds to one with a schema, are those of its `_target_`'s signature.

    Raises:
        ConfigError: a key is missing, unknown, or has a value that is not allowed.
    """
    for group in (*GROUPS, "evaluation", "tracking"):
        value = None if OmegaConf.is_missing(config, group) else config[group]
        if not isinstance(value, DictConfig):
            raise ConfigError(f"{group}={value} is not possible: a run needs a {group}.")
    missing = sorted(OmegaConf.missing_keys(config))
    if missing:
        raise ConfigError(f"{missing[0]} has no value: give one with {missing[0]}=...")
    typed = cast(Config, OmegaConf.to_object(config))
    for schema in (Dataset, Model, Optimizer):
        option = getattr(typed, schema.group)
        if isinstance(option, dict) and "name" not in option:
            raise ConfigError(f"{schema.group}.name is missing: the name in tables and run names.")
        check_against_target(schema, option)
    for name in unknown_keys(typed):
        raise ConfigError(f"{name} is not a configuration key.")
    for group in ("protocol", "evaluation", "tracking"):
        for name in unknown_keys(getattr(typed, group)):
            raise ConfigError(f"{group}.{name} is not a configuration key.")
    return typed

"""Composes a checked config for each run of a command line."""

import argparse
import os
import re
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import platformdirs
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

import rnn_bench
from rnn_bench.config.check import check_config
from rnn_bench.config.errors import ConfigError, describe
from rnn_bench.config.explanation import copied, explain, without_hydra
from rnn_bench.config.folds import without_absent_folds
from rnn_bench.config.hydra_internals import (
    apply_overrides,
    config_loader,
    overrides_dirname,
    share_registered_schemas,
    split_into_jobs,
)
from rnn_bench.config.launcher import RESOLVERS, Engine, Packed, engine_of
from rnn_bench.config.model import cell_name
from rnn_bench.config.options import check_value
from rnn_bench.config.override_checks import check_deletions, check_override, check_size
from rnn_bench.config.overrides import has_plain_seed
from rnn_bench.config.schema import GROUPS, Config, register_schemas
from rnn_bench.config.search import SWEEPER, Search, SearchSweeper

# Keys that must have one value for all runs of a sweep.
SHARED_KEYS = ("tracking", "search", "output_dir", "plan", "rerun")

# Keys of a run that are no group.
PLAIN_KEYS = {each.name for each in fields(Config)} - {*GROUPS, "evaluation", "tracking", "search"}

SEED_FIELD = next(each for each in fields(Config) if each.name == "seed")


@dataclass(frozen=True)
class Job:
    """A run to make: its config, and the config of the same options with every key at its default.

    `launcher` is the name of Hydra's launcher (`basic` for a single run), `engine` the cluster that
    it submits jobs to, `packing` the keys of the packed launcher, and `composed` the config as
    Hydra composed it."""

    config: Config
    defaults: Config
    launcher: str
    composed: DictConfig
    engine: Engine | None = None
    packing: Packed | None = None

    @property
    def is_search(self) -> bool:
        """Whether Hydra's sweeper is the search."""
        return bool(self.composed.hydra.runtime.choices["hydra/sweeper"] == SWEEPER)


def check_sweeper(job: Job, sweeper: str) -> None:
    """Check that a command line's sweeper is known, and that keys of the search are given with its
    sweeper alone. A single run has none, "".

    Raises:
        ConfigError: it is not so.
    """
    if sweeper not in ("", "basic", SWEEPER):
        raise ConfigError(
            f"hydra/sweeper={sweeper} is not possible: basic makes every combination, and "
            f"{SWEEPER} searches."
        )
    if sweeper != SWEEPER and (job.is_search or job.config.search != Search()):
        raise ConfigError("Keys of search belong to a search: add -m hydra/sweeper=search.")


def config_folder() -> Path:
    """Return the folder of the YAML files: in the package of a wheel, beside it in a checkout."""
    package = Path(rnn_bench.__file__).parent
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"


def register() -> None:
    """Register the schemas and resolvers with Hydra and OmegaConf. Each process needs it once."""
    register_schemas()
    share_registered_schemas()
    ConfigStore.instance().store(group="hydra/launcher", name="packed", node=Packed)
    ConfigStore.instance().store(group="hydra/sweeper", name=SWEEPER, node=SearchSweeper)
    cache = platformdirs.user_cache_dir("rnn_bench", appauthor=False)
    OmegaConf.register_new_resolver("user_cache_dir", lambda: cache, replace=True)
    OmegaConf.register_new_resolver("file_stem", lambda path: Path(path).stem, replace=True)
    OmegaConf.register_new_resolver(
        "last_part", lambda path: Path(path).resolve().name, replace=True
    )
    OmegaConf.register_new_resolver("cell_name", cell_name, replace=True)
    for name, resolver in RESOLVERS.items():
        OmegaConf.register_new_resolver(name, resolver, replace=True)


class Composer:
    """Composes the configs of a command line as Hydra does, each of them once.

    It searches the project's YAML files, the folders of `--config-dir` (`config_dirs`, absolute),
    and those of `hydra.searchpath` among the overrides.
    """

    def __init__(self, config_dirs: Sequence[str] = (), overrides: Sequence[str] = ()) -> None:
        register()
        self.loader = config_loader(config_folder(), config_dirs)
        self._searchpath = [*filter(_is_search_path, overrides)]
        # Configs that are composed already, by their overrides.
        self._defaults: dict[tuple[str, ...], DictConfig] = {}
        self._checked_defaults: dict[tuple[str, ...], Config] = {}
        self._with_options: dict[tuple[str, ...], DictConfig] = {}
        self._masters: dict[tuple[RunMode, tuple[str, ...]], DictConfig] = {}
        self._jobs: dict[tuple[str, ...], Job] = {}
        self._overrides: dict[str, Override] = {}
        self._others: dict[str, Any] = {}  # options of the group dataset that transfer names

    def compose(self, overrides: Sequence[str], mode: RunMode = RunMode.RUN) -> DictConfig:
        """Return one config, with Hydra's own part.

        Raises:
            ConfigError: an override names no key or option, or has the wrong type.
        """
        try:
            for each in OverridesParser.create(self.loader).parse_overrides([*overrides]):
                check_override(each, mode, self.loader)
            config = self.loader.load_configuration("config", [*overrides], run_mode=mode)
        except (HydraException, OmegaConfBaseException) as error:
            raise ConfigError(explain(error, overrides, self.loader)) from error
        except (OSError, ValueError) as error:  # of a name, or a number, of thousands of signs
            longest = max(overrides, key=len)
            raise ConfigError(
                f"{longest[:50]}... cannot be read: {describe(error)}\n"
                f"It has {len(longest):,} signs. Write a shorter one."
            ) from error
        for name in ("launcher", "sweeper"):
            if not OmegaConf.is_dict(config.hydra[name]):
                line = f"hydra.{name}={config.hydra[name]}"
                raise ConfigError(
                    f"{line} is not possible: an option is chosen with a slash, hydra/{name}=..."
                )
        return config

    def preset(self, arguments: argparse.Namespace) -> list[str]:
        """Return the overrides that a preset (`hydra.sweeper.params`) adds to a command line: the
        values of every key that the command line does not set itself.

        Raises:
            ConfigError: an override names no key or option, or has the wrong type.
        """
        master = self._master(arguments, RunMode.MULTIRUN)
        params = OmegaConf.select(master, "hydra.sweeper.params")
        if not params:
            return []
        named = {line.lstrip("+").partition("=")[0] for line in arguments.overrides}
        lines = [f"{key}={value}" for key, value in params.items() if key not in named]
        return [*lines, "hydra.sweeper.params=null"]

    def jobs(self, arguments: argparse.Namespace) -> list[Job]:
        """Return a checked job for every run of a command line.

        Raises:
            ConfigError: any of them has a key or value that is not possible.
        """
        mode = RunMode.MULTIRUN if arguments.multirun else RunMode.RUN
        master = self._master(arguments, mode)
        if master.hydra.job.chdir:
            raise ConfigError(
                "hydra.job.chdir=true is not possible: relative paths are those of the folder that "
                "the command is started in."
            )
        if not arguments.multirun and master.hydra.mode != RunMode.MULTIRUN:
            single = self.job(master)
            if single.engine:
                raise ConfigError(f"hydra/launcher={single.launcher} carries sweeps: add -m.")
            check_sweeper(single, "")
            return [replace(single, launcher="basic")]
        try:
            parser = OverridesParser.create(self.loader)
            parsed = parser.parse_overrides([*master.hydra.overrides.task])
            check_size(parsed)
            batch = split_into_jobs(parsed)
        except (HydraException, ValueError) as error:
            raise ConfigError(f"The sweep cannot be read: {error}") from error
        hydra_lines = _hydra_lines(master)
        batch = without_absent_folds(
            batch, lambda lines: self._with_values(hydra_lines, lines).dataset.get("folds")
        )
        jobs = self.jobs_of(master, batch)
        check_sweeper(jobs[0], master.hydra.runtime.choices["hydra/sweeper"])
        for name in SHARED_KEYS:
            if any(getattr(job.config, name) != getattr(jobs[0].config, name) for job in jobs):
                raise ConfigError(f"{name} must be the same for all runs of a sweep.")
        return jobs

    def jobs_of(self, master: DictConfig, job_overrides: Sequence[Sequence[str]]) -> list[Job]:
        """Return the jobs of a sweep with this config, the same objects in every call.

        Raises:
            ConfigError: any of them has a key or value that is not possible.
        """
        packing = None
        if master.hydra.runtime.choices["hydra/launcher"] == "packed":
            packing = cast(Packed, OmegaConf.to_object(master.hydra.launcher))
        hydra_lines = _hydra_lines(master)
        first: dict[tuple[str, ...], Job] = {}  # of the jobs that differ in their seed alone
        for lines in map(tuple, job_overrides):
            if lines in self._jobs:
                continue
            others = tuple(line for line in lines if not line.startswith("seed="))
            if others in first and has_plain_seed(lines):
                self._jobs[lines] = _with_seed(first[others], lines)
                continue
            job = replace(self.job(self._with_values(hydra_lines, lines)), packing=packing)
            self._jobs[lines] = job
            if job.config.plan and has_plain_seed(lines) and not _refers_to_seed(job.composed):
                first[others] = job
        return [self._jobs[tuple(lines)] for lines in job_overrides]

    def job(self, config: DictConfig) -> Job:
        """Return a composed config, with Hydra's own part, as a checked job.

        Raises:
            ConfigError: a key is missing, unknown, or has a value that is not allowed.
        """
        own = without_hydra(config)
        try:
            typed = check_config(own)
        except OmegaConfBaseException as error:
            raise ConfigError(explain(error, [], self.loader)) from error
        check_deletions(config.hydra.overrides.task, typed)
        for name in typed.evaluation.transfer:
            typed.evaluation.corpora[name] = self._other_dataset(name, typed.evaluation.transfer)
        launcher = config.hydra.runtime.choices["hydra/launcher"]
        engine = engine_of(config.hydra.launcher)
        return Job(typed, self._defaults_of(_choices(config), own), launcher, config, engine)

    def _other_dataset(self, name: str, transfer: Sequence[str]) -> Any:
        """Return the option of the group dataset that `evaluation.transfer` names, with every key
        at its default.

        Raises:
            ConfigError: there is none, or one of its keys must be given.
        """
        try:
            if name not in self._others:
                overrides = [*self._searchpath, f"dataset={name}", "sweep_id=transfer"]
                self._others[name] = check_config(without_hydra(self.compose(overrides))).dataset
        except ConfigError as error:
            listed = f"[{','.join(transfer)}]"
            raise ConfigError(f"evaluation.transfer={listed} is not possible. {error}") from error
        return self._others[name]

    def _master(self, arguments: argparse.Namespace, mode: RunMode) -> DictConfig:
        """Return the config of a whole command line, before it is split into jobs."""
        key = mode, tuple(arguments.overrides)
        if key not in self._masters:
            self._masters[key] = self.compose(arguments.overrides, mode)
        return self._masters[key]

    def _with_values(self, hydra_lines: Sequence[str], lines: Sequence[str]) -> DictConfig:
        """Return the config that `compose` returns for these lines. The slow merge of YAML files is
        made only once for all jobs that differ in nothing but the values of keys."""
        values = [line for line in lines if _gives_value(line)]
        choices = (*hydra_lines, *(line for line in lines if line not in values))
        if choices not in self._with_options:
            chosen = self._with_options[choices] = self.compose(choices)
            if all(line.partition("=")[0] in GROUPS for line in choices[len(hydra_lines) :]):
                self._defaults[_choices(chosen)] = without_hydra(chosen)
        config = copied(self._with_options[choices])
        try:
            parsed = [self._parsed(line) for line in lines]
            apply_overrides([each for each in parsed if each.input_line in values], config)
        except (HydraException, OmegaConfBaseException) as error:
            raise ConfigError(explain(error, lines, self.loader)) from error
        config.hydra.overrides.task = [*lines]
        naming = config.hydra.job.config.override_dirname
        config.hydra.job.override_dirname = overrides_dirname(parsed, naming)
        return config

    def _parsed(self, line: str) -> Override:
        """Return an override as Hydra reads it. Most of a sweep's runs share theirs.

        Raises:
            HydraException: it cannot be read.
        """
        if line not in self._overrides:
            (self._overrides[line],) = OverridesParser.create().parse_overrides([line])
        return self._overrides[line]

    def _defaults_of(self, choices: tuple[str, ...], own: DictConfig) -> Config:
        """Return the config of the same options as `own` with every key at its default, or at
        own's value where it has none. Jobs of the same options and such values share it."""
        if choices not in self._defaults:
            self._defaults[choices] = without_hydra(self.compose([*self._searchpath, *choices]))
        defaults = self._defaults[choices]
        missing = {"sweep_id": own.sweep_id}
        for group in GROUPS:
            for key in defaults[group]:
                if OmegaConf.is_missing(defaults[group], key):
                    missing[f"{group}.{key}"] = own[group][key]
        shared = (*choices, str(missing))
        if shared not in self._checked_defaults:
            defaults = defaults.copy()
            for key, value in missing.items():
                OmegaConf.update(defaults, key, value)
            self._checked_defaults[shared] = check_config(defaults)
        return self._checked_defaults[shared]


def sweep_composer(
    sweep_id: str, config_dirs: Sequence[str] = (), overrides: Sequence[str] = ()
) -> Composer:
    """Return the composer of a sweep. It is the same object in every call of a process, so that the
    command, Hydra's launcher and the jobs compose each config once.

    Raises:
        ConfigError: a folder of `config_dirs` is not there.
    """
    for folder in config_dirs:
        if not Path(folder).is_dir():
            raise ConfigError(f"--config-dir {folder}: there is no such folder.")
    folders = tuple(os.path.abspath(folder) for folder in config_dirs)  # noqa: PTH100 - as Hydra
    return _sweep_composer(sweep_id, folders, tuple(filter(_is_search_path, overrides)))


def composer_of(config: DictConfig) -> Composer:
    """Return the composer of the sweep that a config of Hydra's, with its own part, belongs to."""
    sources = config.hydra.runtime.config_sources
    folders = [each.path for each in sources if each.provider == "command-line"]
    return sweep_composer(config.sweep_id, folders, config.hydra.overrides.hydra)


@lru_cache(maxsize=1)  # a process works on one sweep at a time
def _sweep_composer(
    sweep_id: str, config_dirs: tuple[str, ...], overrides: tuple[str, ...]
) -> Composer:
    return Composer(config_dirs, overrides)


def _hydra_lines(master: DictConfig) -> list[str]:
    return [*dict.fromkeys([*master.hydra.overrides.hydra, "hydra.mode=MULTIRUN"])]


def _is_search_path(line: str) -> bool:
    return line.startswith("hydra.searchpath=")


def _refers_to_seed(config: DictConfig) -> bool:
    """Return whether the value of another key depends on the seed."""
    return bool(re.search(r"\$\{[^}]*\bseed\b", OmegaConf.to_yaml(without_hydra(config))))


def _with_seed(job: Job, lines: Sequence[str]) -> Job:
    """Return the job with the seed of these overrides. Its `composed` keeps the old one: a plan
    trains nothing."""
    (given,) = (line.partition("=")[2] for line in lines if line.startswith("seed="))
    config = copy(job.config)
    config.seed = int(given)
    check_value("", SEED_FIELD, config.seed)
    return replace(job, config=config)


def _choices(config: DictConfig) -> tuple[str, ...]:
    """Return the overrides that choose a composed config's option of each group."""
    choices = config.hydra.runtime.choices
    return tuple(f"{group}={choices[group]}" for group in GROUPS)


def _gives_value(line: str) -> bool:
    """Return whether an override sets a key, as model.cell=gru and seed=1 do, not model=gru."""
    key, equals, _ = line.lstrip("+").partition("=")
    return bool(equals) and ("." in key.partition("@")[0] or key in PLAIN_KEYS)

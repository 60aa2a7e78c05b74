"""The keys of `search`: how `hydra/sweeper=search` chooses each model's settings."""

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rnn_bench.config.errors import ConfigError
from rnn_bench.config.options import SEED, Option, at_least, is_finite, key, one_of

SWEEPER = "search"  # the option of hydra/sweeper
# Keys under which validation losses cannot be compared, and names of options.
NOT_SEARCHED = (
    *("protocol.validation_fraction", "protocol.validation_stratified", "protocol.split_seed"),
    *("protocol.select_by", "protocol.loss_average", "protocol.evaluated_weights"),
    *("protocol.lr_by_model", "protocol.dropout_by_model"),
    *("protocol.name", "model.name", "optimizer.name", "model.kernel", "model.cell"),
)
INTERVAL = ("low", "high", "log", "int")
STAGE = ("best", "corpora", "seeds")


@dataclass(frozen=True)
class Interval:
    """The numbers between two ends, both included; with `log` each power of ten is as likely."""

    low: float
    high: float
    log: bool = False
    whole: bool = False

    @property
    def size(self) -> float:
        """The number of its values."""
        return self.high - self.low + 1 if self.whole else math.inf

    def __str__(self) -> str:
        kind = f"{', logarithmic' * self.log}{', whole' * self.whole}"
        return f"{self.low:g} to {self.high:g}{kind}"

    def rounded(self, value: float) -> float:
        """Return a value with four digits, which is shorter in names, within the interval."""
        return value if self.whole else min(max(float(f"{value:.4g}"), self.low), self.high)


@dataclass(frozen=True)
class Choices:
    """A list of values."""

    values: tuple[Any, ...]

    @property
    def size(self) -> float:
        """The number of its values."""
        return len(self.values)

    def __str__(self) -> str:
        return ", ".join(map(str, self.values))


Domain = Interval | Choices


@dataclass(frozen=True)
class Stage:
    """A stage of successive halving: the `best` settings of the stage before, None in the first,
    are tried on the first so many of the sweep's `corpora` with the first so many of its `seeds`;
    None: with all."""

    best: int | None = None
    corpora: int | None = None
    seeds: int | None = None


@dataclass
class Search(Option):
    """How a search chooses each model's settings, with `hydra/sweeper=search`: every model gets the
    same number of trials over the same `space`, on validation alone, and the best configuration is
    trained with fresh seeds and tested."""

    group = "search"
    trials: int = key(30, "trials of each model on each corpus; a grid has one a cell", at_least(1))
    sampler: str = key(
        "tpe",
        "what proposes trials: Optuna's TPE, chance, or the grid of all choices",
        one_of("tpe", "random", "grid"),
    )
    seed: int = key(0, "of the sampler", SEED)
    batch: int = key(
        5,
        "trials of each model that are proposed at once, before any of them is known, and so may "
        "be made at once; with stages, all of a stage are",
        at_least(1),
    )
    pruner: str = key(
        "none",
        "what ends a trial after some of its seeds: Optuna's median or Wilcoxon pruner",
        one_of("none", "median", "wilcoxon"),
    )
    seeds: int = key(
        5,
        "fresh seeds, from the one after the trials', of each chosen configuration; 0: none is "
        "tested",
        at_least(0),
    )
    stages: list[Any] = key(
        [],
        "settings that all models and corpora share are searched by successive halving: each stage "
        "is {best:8,corpora:6,seeds:1}, which tries the best of the stage before, all trials in "
        "the first, on the first corpora and seeds of the sweep; empty: each model is searched by "
        "itself",
    )
    space: dict[str, Any] = key(
        {},
        "the keys that are searched, each with {low:0.1,high:0.7}, where log:true or int:true may "
        "stand too, or a list of choices; those that a model lacks do not apply to it",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self.domains()
        self.halving()

    def domains(self) -> dict[str, Domain]:
        """Return the space by full key, `optimizer.lr`.

        Raises:
            ConfigError: a key or its values are not possible.
        """
        found: dict[str, Domain] = {}
        for name, value in _leaves(self.space):
            path = f"search.space.{name}"
            if name in found:
                raise ConfigError(f"{path} is given twice: leave one out.")
            if name.partition(".")[0] not in ("model", "optimizer", "protocol") or "." not in name:
                raise ConfigError(
                    f"{path} is not possible: a search chooses keys of model, optimizer and "
                    "protocol, such as optimizer.lr. Sweep over others."
                )
            if name in NOT_SEARCHED or name.rpartition(".")[2].startswith("_"):
                raise ConfigError(
                    f"{path} is not possible: validation does not compare its values. "
                    "Sweep over it instead."
                )
            found[name] = _domain(path, value, self.sampler)
        return found

    def halving(self) -> list[Stage]:
        """Return the stages.

        Raises:
            ConfigError: they are not possible.
        """
        stages = [_stage(f"search.stages[{n}]", value) for n, value in enumerate(self.stages)]
        if not stages:
            return []
        for name, needed in (("sampler", "random"), ("pruner", "none")):
            if getattr(self, name) != needed:
                raise ConfigError(
                    f"search.{name}={getattr(self, name)} is not possible with search.stages, "
                    f"which choose among trials by chance: set search.{name}={needed}."
                )
        kept = self.trials
        for number, stage in enumerate(stages):
            path = f"search.stages[{number}].best={stage.best}"
            if number == 0 and stage.best is not None:
                raise ConfigError(
                    f"{path} is not possible: the first stage has all trials (search.trials)."
                )
            if number and stage.best is None:
                raise ConfigError(f"search.stages[{number}] lacks best: how many trials go on.")
            if stage.best is not None and stage.best >= kept:
                raise ConfigError(
                    f"{path} is not possible: the stage before has {kept} trials; keep fewer."
                )
            kept = stage.best or kept
        for number, (before, after) in enumerate(itertools.pairwise(stages), start=1):
            for name in ("corpora", "seeds"):
                few, many = getattr(before, name), getattr(after, name)
                if many is not None and (few is None or many < few):
                    raise ConfigError(
                        f"search.stages[{number}].{name}={many} is not possible: the stage before "
                        f"has {'all' if few is None else few}, and a later one has no fewer."
                    )
        return stages


def _stage(path: str, value: Any) -> Stage:
    if not isinstance(value, dict):
        raise ConfigError(f"{path}={value} is not possible: write {{best:8,corpora:6,seeds:1}}.")
    for name, number in value.items():
        if name not in STAGE:
            raise ConfigError(f"{path}.{name} is not possible: a stage has {', '.join(STAGE)}.")
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise ConfigError(
                f"{path}.{name}={number} is not possible: it must be a whole number above 0."
            )
    return Stage(**value)


def _leaves(space: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every full key of a space with its values, without those that are null."""
    for name, value in space.items():
        if isinstance(value, dict) and not {*INTERVAL} & value.keys():
            yield from _leaves(value, f"{prefix}{name}.")
        elif value is not None:
            yield f"{prefix}{name}", value


def _domain(path: str, value: Any, sampler: str) -> Domain:
    if isinstance(value, list):
        for each in value:
            if not isinstance(each, str | int | float | bool | None):
                raise ConfigError(
                    f"{path}={value} is not possible: a choice is a text, a number, true, false or "
                    f"null, not {each}."
                )
        if not value or len({*map(str, value)}) < len(value):
            raise ConfigError(
                f"{path}={value} is not possible: it must list different values, such as [1,2]."
            )
        return Choices(tuple(value))
    if not isinstance(value, dict):
        raise ConfigError(
            f"{path}={value} is not possible: write a list of choices, [1,2], or an interval, "
            "{low:1,high:2}. To give a key one value, set the key itself."
        )
    for name in value:
        if name not in INTERVAL:
            raise ConfigError(
                f"{path}.{name} is not possible: an interval has {', '.join(INTERVAL)}."
            )
    for name in ("low", "high"):
        number = value.get(name)
        if isinstance(number, bool) or not isinstance(number, int | float) or not is_finite(number):
            raise ConfigError(f"{path}.{name}={number} is not possible: it must be a number.")
    for name in ("log", "int"):
        if not isinstance(value.get(name, False), bool):
            raise ConfigError(
                f"{path}.{name}={value[name]} is not possible: it must be true or false."
            )
    low, high = value["low"], value["high"]
    log, whole = value.get("log", False), value.get("int", False)
    if low >= high:
        raise ConfigError(f"{path} is not possible: low={low} must be below high={high}.")
    if log and low <= 0:
        raise ConfigError(f"{path}.low={low} is not possible with log=true: it must be above 0.")
    if whole and (low != int(low) or high != int(high)):
        raise ConfigError(f"{path} is not possible with int=true: low and high must be whole.")
    if sampler == "grid":
        raise ConfigError(
            f"{path} is an interval, of which search.sampler=grid has no list. Write [1,2], or "
            "choose search.sampler=tpe or random."
        )
    return Interval(int(low), int(high), log, True) if whole else Interval(low, high, log)


@dataclass
class SearchSweeper:
    """Hydra's own part of the search: its class, and the preset's values (`Composer.preset`)."""

    _target_: str = "hydra_plugins.rnn_bench_sweeper.SearchSweeper"
    params: dict[str, str] | None = None

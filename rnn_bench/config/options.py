"""Options of a config group: dataclasses whose fields are keys with a default, meaning and range.
An option's `_target_` is the class or function that takes their values."""

import functools
import inspect
import logging
import math
from collections.abc import Callable, Collection, Iterator
from dataclasses import Field, dataclass, field, fields
from typing import Any, ClassVar, cast, get_args

import hydra.utils

from rnn_bench.config.errors import ConfigError, shorten, suggestion

logging.getLogger("hydra.utils").setLevel(logging.CRITICAL)  # what it logs, it raises too


@dataclass(frozen=True)
class Allowed:
    """A condition on a key's value, and its wording in errors."""

    text: str
    test: Callable[[Any], bool]

    def accepts(self, value: Any) -> bool:
        """Return whether the condition holds: never for a value that it cannot be tested on."""
        try:
            return self.test(value)
        except (TypeError, AttributeError):
            return False


def at_least(low: float) -> Allowed:
    return Allowed(f"at least {low}", lambda value: value >= low)


def between(low: int, high: int) -> Allowed:
    return Allowed(f"at least {low} and at most {high}", lambda value: low <= value <= high)


def one_of(*values: str) -> Allowed:
    return Allowed("one of " + ", ".join(values), lambda value: value in values)


POSITIVE = Allowed("above 0", lambda value: value > 0)
FRACTION = Allowed("at least 0 and below 1", lambda value: 0 <= value < 1)
SHARE = Allowed("above 0 and at most 1", lambda value: 0 < value <= 1)
INNER_FRACTION = Allowed("above 0 and below 1", lambda value: 0 < value < 1)
SEED = between(0, 2**32 - 1)  # what numpy and scikit-learn take


ABSENT = object()


def key(default: Any, meaning: str, allowed: Allowed | None = None, *, before: Any = ABSENT) -> Any:
    """Return a dataclass field for a configuration key.

    `before` is for a key that is added later: the value with which runs compute the same as before
    the key existed. The key is part of the run key only where its value differs from `before`, so
    that recorded runs are still reused.
    """
    metadata = {"meaning": meaning, "allowed": allowed}
    if before is not ABSENT:
        metadata["before"] = before
    if isinstance(default, list | dict):
        return field(default_factory=default.copy, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass
class Option:
    """An option of a config group.

    Raises:
        ConfigError: a key's value is not allowed.
    """

    group: ClassVar[str] = ""
    # Arguments of `_target_` that each run passes itself, beside the option's keys.
    given: ClassVar[tuple[str, ...]] = ()
    # The class that `_target_` must be or inherit from, and whether it gets more arguments later.
    base: ClassVar[str] = "builtins.object"
    partial: ClassVar[bool] = False
    # Keys that change no result, such as the speed's and descriptions: no arguments of `_target_`,
    # nor in the run key, run names or recorded parameters.
    of_no_result: ClassVar[tuple[str, ...]] = ()
    # Keys that every option of the group has, a user's own too: no arguments of `_target_`.
    of_the_group: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        # The name last: another key may be its default.
        for each in sorted(fields(self), key=lambda each: each.name == "name"):
            check_value(self.group, each, getattr(self, each.name))


def check_value(group: str, each: Field[Any], value: Any) -> None:
    """Check a key's value against its range. Every number must be finite and every text without a
    default of None not empty, whatever the range.

    Raises:
        ConfigError: the value is not allowed.
    """
    allowed, wanted = each.metadata.get("allowed"), ""
    if allowed and value is not None and not allowed.accepts(value):
        wanted = allowed.text
    elif each.type is str and isinstance(value, str) and not value.strip():
        wanted = "a text that is not empty"
    elif not all(map(is_finite, _numbers(value))):
        wanted = "a finite number"
    if wanted:
        is_optional = type(None) in get_args(each.type)
        path = f"{group}.{each.name}".lstrip(".")
        raise ConfigError(
            f"{path}={value} is not possible: it must be {wanted}{', or null' * is_optional}."
        )


def is_finite(number: float) -> bool:
    """Return whether a number is neither infinite nor nan, and fits into 64 bits if it is whole."""
    return abs(number) < 2**63 if isinstance(number, int) else math.isfinite(number)


def _numbers(value: Any) -> Iterator[float]:
    """Yield the numbers of a value, which may be a list or a dictionary of numbers."""
    if isinstance(value, int | float):
        yield value
    elif isinstance(value, list | dict):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _numbers(each)


def entry(option: Any, name: str) -> Any:
    """Return an option's value of a key. A user's own option is a dictionary."""
    return option.get(name) if isinstance(option, dict) else getattr(option, name, None)


def name_of(option: Any) -> str:
    """Return the option's name in tables and run names."""
    return cast(str, entry(option, "name"))


def decisive_keys(option: Any) -> dict[str, Any]:
    """Return an option's keys and values that change the result."""
    keys = option if isinstance(option, dict) else vars(option)
    left_out = getattr(option, "of_no_result", ())
    return {name: value for name, value in keys.items() if name[0] != "_" and name not in left_out}


def is_as_before(option: Any, name: str) -> bool:
    """Return whether a key's value computes the same as before the key existed."""
    keys = {} if isinstance(option, dict) else {each.name: each for each in fields(option)}
    if name not in keys or "before" not in keys[name].metadata:
        return False
    return bool(getattr(option, name) == keys[name].metadata["before"])


def as_before(schema: type[Option]) -> dict[str, Any]:
    """Return the keys that were added to a schema, each with the value that computes the same as
    before it existed: what a stored option that lacks the key means."""
    return {
        each.name: each.metadata["before"] for each in fields(schema) if "before" in each.metadata
    }


def keys_of(option: Any) -> dict[str, Any]:
    """Return the keys and values that an option passes to its `_target_`: all that change the
    result, without its name and its group's own keys."""
    left_out = ("name", *getattr(option, "of_the_group", ()))
    return {name: value for name, value in decisive_keys(option).items() if name not in left_out}


def target_of(option: Any) -> Callable[..., Any]:
    """Return the class or function that an option's `_target_` names.

    Raises:
        ConfigError: it cannot be imported.
    """
    path = entry(option, "_target_")
    try:
        return cast(Callable[..., Any], hydra.utils.get_object(path))
    except Exception as error:
        raise ConfigError(
            f"_target_={path} cannot be imported: {shorten(str(error), 300)}"
        ) from error


def build(option: Any, without: Collection[str] = (), **given: Any) -> Any:
    """Call an option's `_target_` with its keys, except those in `without`, and the `given`
    arguments. With `_partial_`, return a function that makes this call."""
    keys = {name: value for name, value in keys_of(option).items() if name not in without}
    target = functools.partial(target_of(option), **keys, **given)
    return target if entry(option, "_partial_") else target()


def unknown_keys(option: Any) -> list[str]:
    """Return the option's keys that are not in its schema; all of them if it has none, or its
    `_target_` is not the schema's."""
    if isinstance(option, dict) or has_own_target(option):
        return [*keys_of(option)]
    return sorted(vars(option).keys() - {each.name for each in fields(option)})


def has_own_target(option: Any) -> bool:
    """Return whether an option's `_target_` is not its schema's."""
    return isinstance(option, dict) or any(
        each.name == "_target_" and option._target_ != each.default for each in fields(option)
    )


def check_target(group: type[Option], option: Any) -> Callable[..., Any]:
    """Return an option's `_target_` if it is a class that the group can use.

    Raises:
        ConfigError: it is not, or it cannot be imported.
    """
    path = f"{group.group}._target_={entry(option, '_target_')}"
    target, base = target_of(option), hydra.utils.get_class(group.base)
    if not (inspect.isclass(target) and issubclass(target, base)):
        raise ConfigError(f"{path} is not possible: it must be a class that inherits {group.base}.")
    if bool(entry(option, "_partial_")) != group.partial:
        wanted = "true" if group.partial else "false"
        raise ConfigError(f"{group.group}._partial_ must be {wanted} with {path}.")
    return target


def check_against_target(group: type[Option], option: Any) -> None:
    """Check the keys that are in no schema against the signature of the option's `_target_`.

    Raises:
        ConfigError: the target takes no such key, or a key that it needs is missing.
    """
    unknown = [name for name in unknown_keys(option) if name not in group.of_the_group]
    if (
        not unknown
        and not has_own_target(option)
        and bool(entry(option, "_partial_")) == group.partial
    ):
        return
    target = entry(option, "_target_")
    parameters = inspect.signature(check_target(group, option)).parameters.values()
    named = {each.name: each for each in parameters if each.kind is not each.VAR_KEYWORD}
    own = [name for name in named if name not in group.given]
    for name in unknown:
        if name in group.given:
            raise ConfigError(f"{group.group}.{name} is not a key: every run gives it by itself.")
        if name not in named and len(named) == len(parameters):
            raise ConfigError(
                f"{group.group}.{name} is not a key of {target}.{suggestion(name, own)}"
                f"\nKeys: {', '.join(own)}"
            )
    if has_own_target(option):
        for name in own:
            if named[name].kind is named[name].VAR_POSITIONAL:
                continue
            if named[name].default is named[name].empty and name not in unknown:
                raise ConfigError(f"{group.group}.{name} has no value, and {target} needs one.")

"""What an option of a group is: keys with a type, a default, a meaning and a range, and a target
that they are given to."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, cast

import hydra.utils

from rnn_bench.config.errors import ConfigError, suggestion


@dataclass(frozen=True)
class Allowed:
    """A condition on a key's value, and its wording in an error."""

    text: str
    test: Callable[[Any], bool]


def at_least(low: float) -> Allowed:
    return Allowed(f"at least {low}", lambda value: value >= low)


def between(low: int, high: int) -> Allowed:
    return Allowed(f"at least {low} and at most {high}", lambda value: low <= value <= high)


def one_of(*values: str) -> Allowed:
    return Allowed("one of " + ", ".join(values), lambda value: value in values)


POSITIVE = Allowed("above 0", lambda value: value > 0)
FRACTION = Allowed("at least 0 and below 1", lambda value: 0 <= value < 1)
INNER_FRACTION = Allowed("above 0 and below 1", lambda value: 0 < value < 1)
SEED = between(0, 2**32 - 1)  # what numpy and scikit-learn take


def key(default: Any, meaning: str, allowed: Allowed | None = None, **before: Any) -> Any:
    """Declare a configuration key. A list or dictionary as default is copied for each config.

    `before=VALUE` names the value that computes what runs computed before this key existed. A key
    enters the run key only where it differs from that, so that adding a key reuses every recorded
    run.
    """
    metadata = {"meaning": meaning, "allowed": allowed, **before}
    if isinstance(default, list | dict):
        return field(default_factory=default.copy, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass
class Option:
    """An option of a group. `_target_` is what its keys are given to.

    Raises:
        ConfigError: a key's value is not allowed.
    """

    group: ClassVar[str] = ""
    # What the program gives the target beside the option's keys.
    given: ClassVar[tuple[str, ...]] = ()
    # Keys that say how it is computed here, not what: no part of the question or of the target.
    of_the_machine: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        for each in fields(self):
            allowed, value = each.metadata.get("allowed"), getattr(self, each.name)
            if allowed and value is not None and not allowed.test(value):
                path = f"{self.group}.{each.name}".lstrip(".")
                raise ConfigError(f"{path}={value} is not possible: it must be {allowed.text}.")


def entry(option: Any, name: str) -> Any:
    """A value of an option, which is a dataclass, or a dictionary where it is a user's own."""
    return option.get(name) if isinstance(option, dict) else getattr(option, name, None)


def name_of(option: Any) -> str:
    """The option in tables and run names."""
    return cast(str, entry(option, "name"))


def decisive_keys(option: Any) -> dict[str, Any]:
    """The keys of an option that say what is computed."""
    keys = option if isinstance(option, dict) else vars(option)
    left_out = getattr(option, "of_the_machine", ())
    return {name: value for name, value in keys.items() if name[0] != "_" and name not in left_out}


def is_as_before(option: Any, name: str) -> bool:
    """Return whether a key has the value that computes what was computed before it existed."""
    if isinstance(option, dict):
        return False
    for each in fields(option):
        if each.name == name and "before" in each.metadata:
            return bool(getattr(option, name) == each.metadata["before"])
    return False


def keys_of(option: Any) -> dict[str, Any]:
    """What an option gives its target: all that says what is computed, but its name."""
    return {name: value for name, value in decisive_keys(option).items() if name != "name"}


def target_of(option: Any) -> Callable[..., Any]:
    """The class or function that an option's `_target_` names.

    Raises:
        ConfigError: there is no such class or function.
    """
    path = entry(option, "_target_")
    try:
        return cast(Callable[..., Any], hydra.utils.get_object(path))
    except Exception as error:
        raise ConfigError(f"_target_={path} cannot be imported: {error}") from error


def build(option: Any, **given: Any) -> Any:
    """Call an option's `_target_` with its keys and what is `given`; with `_partial_`, give the
    call back with these filled in."""
    target = functools.partial(target_of(option), **keys_of(option), **given)
    return target if entry(option, "_partial_") else target()


def unknown_keys(option: Any) -> list[str]:
    """The option's keys that its schema lacks; all of them where it has none."""
    if isinstance(option, dict):
        return [*keys_of(option)]
    return sorted(vars(option).keys() - {each.name for each in fields(option)})


def check_against_target(group: type[Option], option: Any) -> None:
    """Hold the keys without a schema to the signature of the option's `_target_`.

    Raises:
        ConfigError: the target takes no such key, or needs one that is not there.
    """
    unknown = unknown_keys(option)
    if not isinstance(option, dict) and not unknown:
        return
    target = entry(option, "_target_")
    parameters = inspect.signature(target_of(option)).parameters.values()
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
    if isinstance(option, dict):
        for name in own:
            if named[name].default is named[name].empty and name not in option:
                raise ConfigError(f"{group.group}.{name} has no value, and {target} needs one.")

"""Which classes a stored model may be made of: rnn_bench's own, and those that the user trusts.

A store may be written by others, and importing a module runs its code.
"""

from collections.abc import Collection, Mapping
from typing import Any

from torch import nn

from rnn_bench.config.errors import UsageError
from rnn_bench.config.options import keys_of, target_of

OWN = "rnn_bench.models"
VARIABLE = "RNN_BENCH_TRUST"  # for MLflow's own commands: modules, separated by commas


class Untrusted(UsageError):
    """A stored model is made of classes that are neither rnn_bench's own nor trusted."""


def build_trusted(option: Mapping[str, Any], trusted: Collection[str], **given: Any) -> nn.Module:
    """Build the model of a stored configuration with its keys and the `given` arguments.

    Args:
        option: what the configuration has under `model`.
        trusted: modules of the user's own, whose classes may be built too.

    Raises:
        Untrusted: a class belongs to another module.
        UsageError: a class is no torch.nn.Module, or cannot be imported.
    """
    path, cell = option["_target_"], option.get("cell")
    _require_trusted(path, path, trusted)
    if isinstance(cell, str) and "." in cell:  # a class of the user's own
        _require_trusted(cell, cell, trusted)
    found = target_of(option)
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise UsageError(f"{path} is no model: it is no torch.nn.Module.")
    # A trusted module has the classes that it imports from others, too.
    _require_trusted(path, f"{found.__module__}.{found.__qualname__}", trusted)
    model: nn.Module = found(**keys_of(option), **given)
    return model


def _require_trusted(named: str, path: str, trusted: Collection[str]) -> None:
    if not all(part.isidentifier() for part in path.split(".")):
        raise UsageError(f"{named!r} is not the path of a class.")
    if any(path == name or path.startswith(f"{name}.") for name in (OWN, *trusted)):
        return
    module = path.rpartition(".")[0] or path
    raise Untrusted(
        f"needs {named}, which is not rnn_bench's own: its code would run here.\n"
        f"If you know that code and trust it, add --trust {module}\n"
        f"(for MLflow's own commands: {VARIABLE}={module})."
    )

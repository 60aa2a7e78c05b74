"""Find the class of a recurrent cell, and count what it computes.

A cell is a `torch.nn.Module` made as `Cell(input_size, hidden_size)`. Its `forward` takes inputs
[batch, time, input_size], padded on the right, and lengths [batch], and returns the states [batch,
time, hidden_size], or the states and a memory of the same shape, as an LSTM's c.

It may also have these class attributes:
    version: raise it when the cell's results change.
    colours: its colours in reports, on light and on dark pages.
    marker: its marker in figures, a name of matplotlib's.
    fused: which cell of the fused kernel computes the same, a `FusedCell`. Not inherited.
    multiply_adds: a function of input_size and hidden_size, its multiply-adds for a token.

and these methods, which change the weights that it drew when it was made:
    draw_orthogonal(): draws them as `protocol.recurrent_init=orthogonal` says.
    set_forget_bias(value): gives its forget gate the bias `protocol.forget_bias`.
"""

import functools
import importlib
import inspect
from types import ModuleType

import torch
from torch import nn

from rnn_bench.config.errors import ConfigError, suggestion
from rnn_bench.config.model import cell_names
from rnn_bench.models.torch_cell import TorchCell


def cell_class(name: str) -> type[nn.Module]:
    """Return the class of `gru`, a file in `models/cells`, or of `my_cells.MinGRU`, a user's own.

    The class of a file has the file's name, such as `MinGRU` in `mingru.py` or `min_gru.py`.

    Raises:
        ConfigError: there is no such class, or it is not made as a cell.
    """
    if name in cell_names():
        module = importlib.import_module(f"rnn_bench.models.cells.{name}")
        classes = {each.lower(): found for each, found in _modules_of(module).items()}
        if name.replace("_", "") not in classes:
            raise ConfigError(f"models/cells/{name}.py defines no torch module with its own name.")
        return classes[name.replace("_", "")]
    path, _, own = name.rpartition(".")
    if not path:
        raise ConfigError(
            f"model.cell={name} is not possible: it must be one of {', '.join(cell_names())}, or a "
            f"class of your own, such as my_cells.MinGRU.{suggestion(name, cell_names())}"
        )
    try:
        module = importlib.import_module(path)
    except Exception as error:
        raise ConfigError(f"model.cell={name} cannot be imported: {error}.") from error
    found = getattr(module, own, None)
    if found is None:
        near = suggestion(own, [*_modules_of(module)])
        raise ConfigError(f"model.cell={name} cannot be imported: {path} has no {own}.{near}")
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise ConfigError(f"model.cell={name} is not possible: it is no torch.nn.Module class.")
    try:
        inspect.signature(found).bind("input_size", "hidden_size")
    except TypeError as error:
        raise ConfigError(
            f"model.cell={name} cannot be made as {own}(input_size, hidden_size): {error}."
        ) from error
    return found


def is_fused(name: str) -> bool:
    """Return whether the fused kernel computes a cell.

    A subclass may compute something else, so it must set `fused` itself.
    """
    cell = cell_class(name)
    return issubclass(cell, TorchCell) and "fused" in vars(cell)


def _modules_of(module: ModuleType) -> dict[str, type[nn.Module]]:
    """Return the torch module classes that a Python module defines, by name."""
    return {
        name: each
        for name, each in inspect.getmembers(module, inspect.isclass)
        if issubclass(each, nn.Module) and each.__module__ == module.__name__
    }


@functools.cache
def multiply_adds(name: str, input_size: int, hidden_size: int) -> int:
    """Return a cell's multiply-adds for a token, forward: its own count, else the entries of its
    weight matrices; those of an Elman RNN where neither is known."""
    cell = cell_class(name)
    try:
        if own := getattr(cell, "multiply_adds", None):
            return max(1, int(own(input_size, hidden_size)))
        with torch.random.fork_rng(devices=[]):  # making a cell draws weights
            weights = [*cell(input_size, hidden_size).parameters()]
        return max(1, sum(weight.numel() for weight in weights if weight.dim() > 1))
    except Exception:  # such as a user's lazy weights; the run itself says what is wrong
        return hidden_size * (input_size + hidden_size)

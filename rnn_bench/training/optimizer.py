"""A model's optimizer; torch's own classes without torch's compiler.

torch keeps its optimizers out of torch.compile, and for that imports the compiler when one is made
and takes its first step: 3 s and 70 MB of every process, and nothing here is compiled.
"""

import inspect
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from rnn_bench.config.options import keys_of, target_of

# Methods of torch's base class that are wrapped for the compiler, beside each class's `step`.
WRAPPED = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")


def build_optimizer(option: Any, model: nn.Module) -> Optimizer:
    """Build the optimizer that a config's `optimizer` group describes, for a model's parameters.

    A class of torch.optim loses the wrappers that import torch's compiler; a user's own class or
    function is used as it is.
    """
    target = target_of(option)
    if isinstance(target, type) and target.__module__.startswith("torch.optim"):
        target = without_compiler(target)
    optimizer: Optimizer = target(model.parameters(), **keys_of(option))
    return optimizer


def without_compiler(optimizer_class: type[Optimizer]) -> type[Optimizer]:
    """Return a subclass whose methods are the functions that torch's wrappers call."""
    methods = {name: inspect.unwrap(getattr(optimizer_class, name)) for name in WRAPPED}
    methods["step"] = torch.no_grad()(inspect.unwrap(optimizer_class.step))
    return type(optimizer_class.__name__, (optimizer_class,), methods)

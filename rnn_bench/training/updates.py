"""An optimizer's updates, without torch's compiler.

torch's optimizers exclude themselves from torch.compile, and for that import it when they are made
and take their first step. That takes seconds of each run, and nothing here is compiled.
"""

import inspect
from collections.abc import Callable

import torch
from torch.optim import Optimizer

# Methods that ask the compiler for a version of them that it leaves alone, unless one is known.
EXCLUDED = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")


def leave_compiler_out() -> None:
    """Let optimizers be made, saved and loaded without the import of torch's compiler. Where torch
    has other wrappers it does nothing."""
    for name in EXCLUDED:
        plain = inspect.unwrap(getattr(Optimizer, name))
        setattr(plain, "__dynamo_disable", plain)  # where torch._compile looks for that version


def update_of(optimizer: Optimizer) -> Callable[[], None]:
    """The optimizer's step as its class defines it, with its hooks and its range in a profile, and
    without the compiler that torch wraps around it."""
    step = Optimizer.profile_hook_step(inspect.unwrap(type(optimizer).step))

    def update() -> None:
        with torch.no_grad():
            step(optimizer)

    return update

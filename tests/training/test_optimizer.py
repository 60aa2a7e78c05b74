import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from rnn_bench.training.optimizer import build_optimizer

OPTIMIZERS: dict[str, dict[str, Any]] = {
    "Adam": {"fused": True},
    "AdamW": {"weight_decay": 0.1},
    "SGD": {"momentum": 0.9},
    "RMSprop": {},
    "NAdam": {},
}


def option(name: str) -> dict[str, Any]:
    return {"_target_": f"torch.optim.{name}", "_partial_": True, "name": name, **OPTIMIZERS[name]}


def trained(name: str, by_torch: bool) -> list[Tensor]:
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    if by_torch:
        optimizer = getattr(torch.optim, name)(model.parameters(), **OPTIMIZERS[name])
    else:
        optimizer = build_optimizer(option(name), model)
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.ones(4, 3)).square().sum().backward()
        optimizer.step()
    return [*model.parameters()]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_s_steps_are_torch_s(name: str) -> None:
    for ours, theirs in zip(trained(name, False), trained(name, True), strict=True):
        assert torch.equal(ours, theirs)
        assert ours.requires_grad


def test_a_step_calls_the_optimizer_s_hooks_and_is_named_in_a_profile() -> None:
    optimizer, called = build_optimizer(option("SGD"), nn.Linear(3, 2)), list[object]()
    optimizer.register_step_post_hook(lambda *step: called.append(step[0]))
    with torch.profiler.profile() as profile:
        optimizer.step()
    assert called == [optimizer]
    assert "Optimizer.step#SGD.step" in {event.name for event in profile.events() or ()}


class HalfSteps(torch.optim.SGD):
    """A user's own class, whose step a wrapper changes."""

    @torch.enable_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        assert torch.is_grad_enabled()
        with torch.no_grad():
            super().step(closure)


def test_a_user_s_own_optimizer_is_used_as_it_is() -> None:
    own = {"_target_": f"{__name__}.HalfSteps", "name": "half", "lr": 0.5}
    optimizer = build_optimizer(own, nn.Linear(3, 2))
    assert type(optimizer) is HalfSteps
    optimizer.step()


SCRIPT = """
import sys, torch
from rnn_bench.training.optimizer import build_optimizer
model = torch.nn.Linear(3, 2, bias=False)
adam = {"_target_": "torch.optim.Adam", "name": "adam", "fused": True}
optimizer = build_optimizer(adam, model)
before = model.weight.clone()
model.weight.sum().backward()
optimizer.step()
optimizer.load_state_dict(optimizer.state_dict())
optimizer.zero_grad()
assert model.weight.grad is None and (model.weight < before).all()
print("torch._dynamo" in sys.modules)
"""


def test_training_does_not_import_torch_s_compiler() -> None:
    ran = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"

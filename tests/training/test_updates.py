import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn

from rnn_bench.training.updates import update_of

OPTIMIZERS = {
    "adam": lambda weights: torch.optim.Adam(weights, fused=True),
    "adamw": lambda weights: torch.optim.AdamW(weights, weight_decay=0.1),
    "sgd": lambda weights: torch.optim.SGD(weights, momentum=0.9),
    "rmsprop": lambda weights: torch.optim.RMSprop(weights),
    "nadam": lambda weights: torch.optim.NAdam(weights),
}


def trained(name: str, by_torch: bool) -> list[Tensor]:
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    optimizer = OPTIMIZERS[name](model.parameters())
    update = optimizer.step if by_torch else update_of(optimizer)
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.ones(4, 3)).square().sum().backward()
        update()
    return [*model.parameters()]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_update_is_torch_s_step(name: str) -> None:
    for ours, theirs in zip(trained(name, False), trained(name, True), strict=True):
        assert torch.equal(ours, theirs)
        assert ours.requires_grad


def test_an_update_calls_the_optimizer_s_hooks() -> None:
    weight = torch.ones(3, requires_grad=True)
    optimizer, called = torch.optim.SGD([weight]), list[object]()
    optimizer.register_step_post_hook(lambda *step: called.append(step[0]))
    update_of(optimizer)()
    assert called == [optimizer]


SCRIPT = """
import sys, torch
from rnn_bench.training.updates import leave_compiler_out, update_of
leave_compiler_out()
weight = torch.ones(3, requires_grad=True)
optimizer = torch.optim.Adam([weight], fused=True)
update = update_of(optimizer)
weight.sum().backward()
update()
optimizer.load_state_dict(optimizer.state_dict())
optimizer.zero_grad()
assert weight.grad is None and (weight < 1).all()
print("torch._dynamo" in sys.modules)
"""


def test_training_does_not_import_torch_s_compiler() -> None:
    ran = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"

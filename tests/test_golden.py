"""Results do not change without their version: recorded runs are reused by it."""

import json
from itertools import islice

import pytest
import torch

from rnn_bench.config.model import cell_names
from rnn_bench.models.kernels.fused import FusedKernel
from tests import golden

RECORDED = json.loads(golden.FILE.read_text())
PARTS = golden.parts()


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.usefixtures("workplace")
def test_a_part_computes_what_it_did_at_its_version(part: str) -> None:
    version, place, compute = PARTS[part]
    check(part, compute(), version, place)


def check(part: str, found: object, version: int, place: str) -> None:
    assert part in RECORDED, f"{part} has no golden values. Record them: python -m tests.golden"
    recorded = RECORDED[part]
    assert version == recorded["version"], (
        f"The golden values of {part} are of version {recorded['version']}, and it has version "
        f"{version}. Record them anew: python -m tests.golden"
    )
    changes = [*islice(golden.differences(found, recorded["values"]), 5)]
    assert not changes, (
        f"{part} computes other results than recorded runs have. If that is intended, raise "
        f"{place} and record the values anew: python -m tests.golden\n" + "\n".join(changes)
    )


@pytest.mark.parametrize("name", cell_names())
def test_a_cell_s_readable_step_computes_what_its_layer_does(name: str) -> None:
    cell, inputs, lengths = golden.a_cell(name)
    if not hasattr(cell, "step"):
        pytest.skip(f"{name} has no step of its own")
    hidden = memory = torch.zeros(3, 3)
    states = []
    with torch.no_grad():
        for features in inputs.unbind(1):
            hidden, memory = cell.step(features, hidden, memory)
            states.append(hidden)
    part = f"cell {type(cell).__name__}"
    version, place, _ = PARTS[part]
    check(part, golden.own_steps(torch.stack(states, 1), lengths), version, place)


@pytest.mark.parametrize("name", cell_names())
def test_the_fused_kernel_computes_what_the_cell_does(name: str, kernel: FusedKernel) -> None:
    cell, inputs, lengths = golden.a_cell(name)
    if getattr(cell, "fused", None) is None:
        pytest.skip(f"the kernel has no {name}")
    with torch.no_grad():
        states = kernel.all_states(cell, inputs, lengths)
    part = f"cell {type(cell).__name__}"
    version, place, _ = PARTS[part]
    check(part, golden.own_steps(states, lengths), version, place)

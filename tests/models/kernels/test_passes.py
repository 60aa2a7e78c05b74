"""Passes forward and backward over the kernel's memory, and what is refused."""

import copy

import pytest
import torch

from rnn_bench.models.kernels.fused import FusedKernel
from rnn_bench.models.kernels.library import Readout
from rnn_bench.models.torch_cell import TorchCell
from tests.models.kernels.layers import CELLS, batch_of, by_kernel, layers_of, results


@pytest.mark.parametrize("cell", CELLS)
def test_the_same_threads_give_the_same_bits(cell: str, kernel: FusedKernel) -> None:
    torch.set_num_threads(2)
    layers = layers_of(cell, 10, 30, 2)
    inputs, lengths = batch_of(10, 9, 20)
    first, second = (results(by_kernel(kernel), layers, inputs, lengths) for _ in range(2))
    assert all(torch.equal(one, two) for one, two in zip(first, second, strict=True))


@pytest.mark.parametrize("cell", CELLS)
def test_without_gradients_the_states_are_the_same_and_nothing_is_kept(
    cell: str, kernel: FusedKernel
) -> None:
    kernel = copy.deepcopy(kernel)
    layers = layers_of(cell, 10, 30, 2)
    inputs, lengths = batch_of(10, 9, 200)
    states = by_kernel(kernel)(layers, inputs, lengths)
    with torch.inference_mode():
        assert torch.equal(by_kernel(kernel)(layers, inputs, lengths), states)
    states.sum().backward()
    ((rolling,), (kept,)) = (kernel.kept[key]._free for key in (None, id(layers[0])))
    assert rolling.numel() < kept.numel() / 20


def test_two_forward_passes_before_a_backward_one_do_not_meet(kernel: FusedKernel) -> None:
    layers = layers_of("lstm", 4, 9, 2)
    inputs, lengths = batch_of(4, 6, 8)
    apart = [results(by_kernel(kernel), layers, each, lengths)[2] for each in (inputs, -inputs)]
    one, two = (by_kernel(kernel)(layers, each, lengths) for each in (inputs, -inputs))
    weights = torch.linspace(-1, 2, one.numel()).view_as(one)
    for states, expected in ((one, apart[0]), (two, apart[1])):
        (states * weights).sum().backward()
        assert layers[0].recurrence.weight_ih_l0.grad is not None
        assert torch.equal(layers[0].recurrence.weight_ih_l0.grad, expected)
        layers.zero_grad()


def test_the_memory_of_a_step_is_that_of_the_step_before(kernel: FusedKernel) -> None:
    kernel = copy.deepcopy(kernel)
    layers = layers_of("gru", 4, 9, 1)
    inputs, lengths = batch_of(4, 6, 8)
    places = set()
    for _ in range(3):
        by_kernel(kernel)(layers, inputs, lengths).sum().backward()
        places.add(
            (kernel.kept[id(layers[0])]._free[0].data_ptr(), kernel.scratch._free[0].data_ptr())
        )
    assert len(places) == 1


def test_a_second_way_back_is_right_or_refused(kernel: FusedKernel) -> None:
    layers = layers_of("rnn", 4, 9, 1)
    inputs, lengths = batch_of(4, 6, 8)
    loss = by_kernel(kernel)(layers, inputs, lengths).sum()
    loss.backward(retain_graph=True)
    assert layers[0].recurrence.weight_ih_l0.grad is not None
    once = layers[0].recurrence.weight_ih_l0.grad.clone()
    loss.backward(retain_graph=True)
    assert torch.equal(layers[0].recurrence.weight_ih_l0.grad, 2 * once)
    by_kernel(kernel)(layers, -inputs, lengths)  # takes the memory
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_the_gradient_of_a_gradient_is_refused(kernel: FusedKernel) -> None:
    layers = layers_of("gru", 4, 9, 1)
    inputs, lengths = batch_of(4, 6, 8)
    inputs.requires_grad_()
    loss = by_kernel(kernel)(layers, inputs, lengths).sum()
    with pytest.raises(RuntimeError, match="gradients have no gradients"):
        torch.autograd.grad(loss, inputs, create_graph=True)


def test_weights_that_change_before_the_way_back_are_noticed(kernel: FusedKernel) -> None:
    layers = layers_of("gru", 4, 9, 1)
    inputs, lengths = batch_of(4, 6, 8)
    loss = by_kernel(kernel)(layers, inputs, lengths).sum()
    with torch.no_grad():
        layers[0].recurrence.weight_hh_l0 += 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_what_the_kernel_does_not_compute_is_refused(kernel: FusedKernel) -> None:
    inputs, lengths = batch_of(4, 6, 8)
    (gru,) = layers_of("gru", 4, 9, 1)
    assert isinstance(gru, TorchCell)
    with pytest.raises(ValueError, match="float32"):
        kernel.read_out(gru.double(), inputs.double(), lengths, Readout.LAST)
    for wrong in (0, 9):
        lengths[3] = wrong
        with pytest.raises(ValueError, match="between 1 and 8"):
            kernel.read_out(gru.float(), inputs, lengths, Readout.LAST)

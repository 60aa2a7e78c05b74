"""Layers read by the kernel and by torch, with their results and the kernel's error."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from rnn_bench.config.model import cell_names
from rnn_bench.models.cell import cell_class
from rnn_bench.models.kernels.fused import FusedKernel
from rnn_bench.models.kernels.library import Readout
from rnn_bench.models.recurrent import reversed_articles

CELLS = cell_names()
READOUTS = (Readout.LAST, Readout.MEAN, Readout.MAX)

Read = Callable[[nn.ModuleList, Tensor, Tensor], Tensor]


def layers_of(cell: str, embedding: int, hidden: int, layers: int) -> nn.ModuleList:
    torch.manual_seed(0)
    sizes = [embedding, *[hidden] * (layers - 1)]
    return nn.ModuleList(cell_class(cell)(size, hidden) for size in sizes)


def by_kernel(
    kernel: FusedKernel, readout: Readout = Readout.LAST, backwards: bool = False
) -> Read:
    """Layers that all read in one direction."""

    def read(layers: nn.ModuleList, inputs: Tensor, lengths: Tensor) -> Tensor:
        *below, last = layers
        for cell in below:
            inputs = kernel.all_states(cell, inputs, lengths, backwards)
        return kernel.read_out(last, inputs, lengths, readout, backwards)

    return read


def by_torch(readout: Readout = Readout.LAST, backwards: bool = False) -> Read:
    def read(layers: nn.ModuleList, inputs: Tensor, lengths: Tensor) -> Tensor:
        if backwards:
            inputs = reversed_articles(inputs, lengths)
        for cell in layers:
            returned = cell(inputs, lengths)
            inputs = returned[0] if isinstance(returned, tuple) else returned
        if readout is Readout.LAST:
            return inputs[torch.arange(len(inputs)), lengths - 1]
        own = [states[:length] for states, length in zip(inputs, lengths, strict=True)]
        if readout is Readout.MEAN:
            return torch.stack([states.mean(0) for states in own])
        return torch.stack([states.amax(0) for states in own])

    return read


def by_steps(layers: nn.ModuleList, inputs: Tensor, lengths: Tensor) -> Tensor:
    layers = copy.deepcopy(layers)
    for cell in layers:
        cell.by_steps = True
    return by_torch()(layers, inputs, lengths)


def results(read: Read, layers: nn.ModuleList, inputs: Tensor, lengths: Tensor) -> list[Tensor]:
    """What is read, and the gradients of inputs and weights of a loss that weighs it."""
    inputs = inputs.clone().requires_grad_()
    states = read(layers, inputs, lengths)
    weights = torch.linspace(-1, 2, states.numel()).view_as(states).to(states)
    wanted = [inputs, *layers.parameters()]
    return [states.detach(), *torch.autograd.grad((states * weights).sum(), wanted)]


def worst_error(
    read: Read, exactly: Read, layers: nn.ModuleList, inputs: Tensor, lengths: Tensor
) -> float:
    """Of outputs and gradients against torch in double precision, relative to their maxima."""
    exact = results(exactly, copy.deepcopy(layers).double(), inputs.double(), lengths)
    found = results(read, layers, inputs, lengths)
    return max(
        ((ours - theirs).abs().max() / theirs.abs().max().clamp_min(1e-30)).item()
        for ours, theirs in zip(found, exact, strict=True)
    )


def batch_of(embedding: int, batch: int, time: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, time + 1, (batch,), generator=random)
    return torch.randn(batch, time, embedding, generator=random), lengths

"""Layers read by the kernel and by torch, with their results and the kernel's error."""

import copy
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from rnn_bench.config.model import cell_names
from rnn_bench.config.options import build
from rnn_bench.config.schema import Config
from rnn_bench.data.batches import batches
from rnn_bench.data.encoding import EncodedCorpus
from rnn_bench.models.cell import cell_class
from rnn_bench.models.initial import initial_model
from rnn_bench.models.kernels.fused import FusedKernel
from rnn_bench.models.kernels.library import Readout
from rnn_bench.models.precision import logits_in
from rnn_bench.models.recurrent import RecurrentClassifier, reversed_articles

CELLS = cell_names()
READOUTS = (Readout.LAST, Readout.MEAN, Readout.MAX)
CPU = torch.device("cpu")

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


def by_torch(
    readout: Readout = Readout.LAST, backwards: bool = False, precision: str = "float32"
) -> Read:
    """Layers with products in a precision; in bfloat16 those of a CPU round what they multiply, in
    double precision too."""

    def read(layers: nn.ModuleList, inputs: Tensor, lengths: Tensor) -> Tensor:
        if backwards:
            inputs = reversed_articles(inputs, lengths)
        rounds, device = precision == "bfloat16", inputs.device.type
        for cell in layers:
            with torch.autocast(device, torch.bfloat16, enabled=rounds):
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


def error_of(
    kernel: FusedKernel,
    cell: str,
    size: tuple[int, int, int, int, int],
    readout: Readout,
    backwards: bool,
    device: torch.device = CPU,
    precision: str = "float32",
) -> float:
    """The kernel's `worst_error` for an embedding, hidden units, layers, articles and steps, where
    torch has products in a precision."""
    embedding, hidden, depth, batch, time = size
    inputs, lengths = (each.to(device) for each in batch_of(embedding, batch, time))
    layers = layers_of(cell, embedding, hidden, depth).to(device)
    ours, exactly = by_kernel(kernel, readout, backwards), by_torch(readout, backwards, precision)
    return worst_error(ours, exactly, layers, inputs, lengths)


def losses_of_training(
    config: Config,
    corpus: EncodedCorpus,
    fused: FusedKernel | None,
    order: list[NDArray[np.int64]],
    device: torch.device = CPU,
) -> list[float]:
    """The loss of each batch of a training, computed by the kernel or by torch."""
    model = initial_model(config, corpus, fused).to(device)
    assert isinstance(model, RecurrentClassifier)
    optimizer, losses = build(config.optimizer)(model.parameters()), []
    for batch in batches(corpus.to(device).train, corpus.train.lengths.cpu().numpy(), order):
        logits = logits_in(config.protocol.precision, model, batch.tokens, batch.lengths)
        loss = F.cross_entropy(logits, batch.labels)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    return losses

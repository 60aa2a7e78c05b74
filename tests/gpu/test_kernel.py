"""The fused kernel on a GPU: its results against torch's in double precision, and whole training
steps against cuDNN's. Without a GPU, or without cuda-core, these tests are skipped."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from rnn_bench.config.schema import Config
from rnn_bench.data.batches import training_order
from rnn_bench.data.encoding import encoded_corpus
from rnn_bench.models.cell import cell_class
from rnn_bench.models.kernels.choice import fused_kernel
from rnn_bench.models.kernels.cuda.kernel import CudaKernel
from rnn_bench.models.precision import products_in
from tests.models.kernels.layers import (
    CELLS,
    READOUTS,
    batch_of,
    by_kernel,
    by_torch,
    error_of,
    layers_of,
    losses_of_training,
    results,
)

Kernels = Callable[[str, int], CudaKernel]

SIZES = {  # embedding, hidden, layers, batch, time
    "usual": (100, 128, 1, 32, 256),
    "one of everything": (1, 1, 1, 1, 1),
    "below a warp": (3, 7, 2, 5, 11),
    "padded": (100, 50, 3, 7, 23),
    "three warps": (17, 96, 1, 33, 9),
    "one below the most": (17, 127, 1, 2, 40),
    "long": (4, 16, 1, 3, 2000),
}


@pytest.fixture(autouse=True)
def no_tf32(gpu: torch.device) -> Iterator[None]:
    """These tests call layers and models directly, whose products are in float32 here too."""
    with products_in("float32", gpu):
        yield


@pytest.fixture
def kernel_of(gpu: torch.device, compiled: Path) -> Kernels:
    """The kernel of a cell with so many units."""
    pytest.importorskip("cuda.core", reason="cuda-core is not installed")
    return lambda cell, hidden: CudaKernel(compiled, gpu, cell_class(cell).fused, hidden)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("backwards", [False, True])
def test_states_and_gradients_are_those_of_double_precision(
    cell: str, size: str, backwards: bool, gpu: torch.device, kernel_of: Kernels
) -> None:
    kernel = kernel_of(cell, SIZES[size][1])
    for readout in READOUTS:
        assert error_of(kernel, cell, SIZES[size], readout, backwards, gpu) < 1e-5


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("place", ["input", "weight_hh_l0"])
def test_nan_shows_where_it_does_in_torch(
    cell: str, place: str, gpu: torch.device, kernel_of: Kernels
) -> None:
    inputs, lengths = (each.to(gpu) for each in batch_of(3, 5, 4))
    layers = layers_of(cell, 3, 7, 1).to(gpu)
    lengths[:] = 4
    with torch.no_grad():
        if place == "input":
            inputs[2, 1, 0] = torch.nan
        else:
            getattr(layers[0].recurrence, place).view(-1)[8] = torch.nan
    expected = results(by_torch(), layers, inputs, lengths)
    found = results(by_kernel(kernel_of(cell, 7)), layers, inputs, lengths)
    assert found[0].isnan().any()
    for ours, theirs in zip(found, expected, strict=True):
        assert torch.equal(ours.isnan(), theirs.isnan())


@pytest.mark.parametrize("cell", CELLS)
def test_the_same_batch_gives_the_same_bits_on_any_stream(
    cell: str, gpu: torch.device, kernel_of: Kernels
) -> None:
    inputs, lengths = (each.to(gpu) for each in batch_of(100, 32, 100))
    layers, kernel = layers_of(cell, 100, 128, 1).to(gpu), kernel_of(cell, 128)
    first = results(by_kernel(kernel), layers, inputs, lengths)
    torch.cuda.synchronize()
    with torch.cuda.stream(torch.cuda.Stream()):
        second = results(by_kernel(kernel), layers, inputs, lengths)
    torch.cuda.synchronize()
    assert all(torch.equal(one, two) for one, two in zip(first, second, strict=True))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("readout", ["last_token", "padded_end", "mean"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_first_losses_of_training_are_those_with_cudnn(
    cell: str,
    readout: str,
    bidirectional: bool,
    gpu: torch.device,
    configured: Callable[..., Config],
) -> None:
    pytest.importorskip("cuda.core", reason="cuda-core is not installed")
    config = configured(
        *("dataset.articles=1600", f"model={cell}", "model.kernel=fused", "model.dropout=0"),
        *("dataset.length=100", "model.num_layers=2", f"model.bidirectional={bidirectional}"),
        f"protocol.readout={readout}",
    )
    corpus = encoded_corpus(config)
    lengths = corpus.train.lengths.numpy()
    order = training_order(lengths, 32, "bucketed", 0, 1)[:20]
    kernels = None, fused_kernel(config, gpu)
    losses = [losses_of_training(config, corpus, fused, order, gpu) for fused in kernels]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    assert losses[0][0] != pytest.approx(losses[0][-1], rel=1e-3)

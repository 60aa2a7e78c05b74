"""The fused kernel on a GPU: its results against torch's in double precision, in bfloat16 against a
CPU's too, and whole training steps against cuDNN's. Without a GPU, or without cuda-core, they are
skipped."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from rnn_bench.config.schema import Config
from rnn_bench.data.batches import training_order
from rnn_bench.data.encoding import encoded_corpus
from rnn_bench.models.cell import cell_class
from rnn_bench.models.kernels.choice import fused_kernel
from rnn_bench.models.kernels.cuda.kernel import PRODUCTS, CudaKernel
from rnn_bench.models.kernels.library import Readout
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
from tests.models.test_precision import is_rounded

PRECISIONS = [*PRODUCTS]

Kernels = Callable[..., CudaKernel]

SIZES = {  # embedding, hidden, layers, batch, time
    "usual": (100, 128, 1, 32, 256),
    "one of everything": (1, 1, 1, 1, 1),
    "below a warp": (3, 7, 2, 5, 11),
    "padded": (100, 50, 3, 7, 23),
    "three warps": (17, 96, 1, 33, 9),
    "one below the most of a block": (17, 127, 1, 2, 40),
    "a cluster of three blocks": (100, 150, 2, 33, 60),
    "a cluster of four blocks": (100, 256, 1, 32, 256),
    "long": (4, 16, 1, 3, 2000),
}


@pytest.fixture(autouse=True)
def no_tf32(gpu: torch.device) -> Iterator[None]:
    """These tests call layers and models directly, whose products are in float32 here too."""
    with products_in("float32", gpu):
        yield


@pytest.fixture
def kernel_of(gpu: torch.device, compiled: Path) -> Kernels:
    """The kernel of a cell with so many units, with products in a precision."""
    pytest.importorskip("cuda.core", reason="cuda-core is not installed")

    def make(cell: str, hidden: int, precision: str = "float32") -> CudaKernel:
        return CudaKernel(compiled, gpu, cell_class(cell).fused, hidden, precision)

    return make


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
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("backwards", [False, True])
def test_in_bfloat16_they_are_near_those_of_double_precision(
    cell: str, size: str, backwards: bool, gpu: torch.device, kernel_of: Kernels
) -> None:
    kernel = kernel_of(cell, SIZES[size][1], "bfloat16")
    for readout in (Readout.LAST, Readout.MEAN):  # another step may have the maximum
        assert error_of(kernel, cell, SIZES[size], readout, backwards, gpu) < 2**-5


@pytest.mark.parametrize("cell", CELLS)
def test_states_in_bfloat16_are_those_of_a_cpu(
    cell: str, gpu: torch.device, kernel_of: Kernels
) -> None:
    (layer,), (inputs, lengths) = layers_of(cell, 100, 128, 1), batch_of(100, 33, 12)
    inside = (torch.arange(12) < lengths[:, None])[..., None]
    with torch.autocast("cpu", torch.bfloat16):
        expected = layer(inputs, lengths) * inside
    kernel = kernel_of(cell, 128, "bfloat16")
    found = kernel.all_states(layer.to(gpu), inputs.to(gpu), lengths.to(gpu)).cpu()
    assert is_rounded(found)
    # Sums that lie between two numbers of bfloat16 may fall to either; few do.
    assert (found == expected).float().mean() > 0.95
    torch.testing.assert_close(found, expected, rtol=0, atol=2**-6)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("place", ["input", "weight_hh_l0"])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_nan_shows_where_it_does_in_torch(
    cell: str, place: str, precision: str, gpu: torch.device, kernel_of: Kernels
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
    found = results(by_kernel(kernel_of(cell, 7, precision)), layers, inputs, lengths)
    assert found[0].isnan().any()
    for ours, theirs in zip(found, expected, strict=True):
        assert torch.equal(ours.isnan(), theirs.isnan())


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_same_batch_gives_the_same_bits_on_any_stream(
    cell: str, precision: str, gpu: torch.device, kernel_of: Kernels
) -> None:
    inputs, lengths = (each.to(gpu) for each in batch_of(100, 32, 100))
    layers, kernel = layers_of(cell, 100, 128, 1).to(gpu), kernel_of(cell, 128, precision)
    first = results(by_kernel(kernel), layers, inputs, lengths)
    torch.cuda.synchronize()
    with torch.cuda.stream(torch.cuda.Stream()):
        second = results(by_kernel(kernel), layers, inputs, lengths)
    torch.cuda.synchronize()
    assert all(torch.equal(one, two) for one, two in zip(first, second, strict=True))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("readout", ["last_token", "padded_end", "mean"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize(("precision", "within"), [("float32", 1e-5), ("bfloat16", 0.02)])
def test_the_first_losses_of_training_are_those_with_cudnn(
    cell: str,
    readout: str,
    bidirectional: bool,
    precision: str,
    within: float,
    gpu: torch.device,
    configured: Callable[..., Config],
) -> None:
    pytest.importorskip("cuda.core", reason="cuda-core is not installed")
    config = configured(
        *("dataset.articles=1600", f"model={cell}", "model.kernel=fused", "model.dropout=0"),
        *(
            "dataset.length=100",
            "dataset.marker_distance=20",
            "model.num_layers=2",
            f"model.bidirectional={bidirectional}",
        ),
        *(f"protocol.readout={readout}", f"protocol.precision={precision}"),
    )
    corpus = encoded_corpus(config)
    lengths = corpus.train.lengths.numpy()
    order = training_order(lengths, 32, "bucketed", 0, 1)[:20]
    kernels = None, fused_kernel(config, gpu)
    losses = [losses_of_training(config, corpus, fused, order, gpu) for fused in kernels]
    assert losses[1] == pytest.approx(losses[0], rel=within)
    assert losses[0][0] != pytest.approx(losses[0][-1], rel=1e-3)

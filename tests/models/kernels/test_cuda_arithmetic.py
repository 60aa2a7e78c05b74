"""The CUDA kernel's results, emulated on the CPU, against torch's in double precision."""

from collections.abc import Callable
from itertools import product
from statistics import median

import pytest
import torch

from rnn_bench.models.kernels.cuda.kernel import PRODUCTS
from rnn_bench.models.kernels.library import Readout, Unavailable
from rnn_bench.models.recurrent import reversed_articles
from tests.models.kernels.emulated import EmulatedKernel, Emulation
from tests.models.kernels.layers import (
    CELLS,
    READOUTS,
    batch_of,
    by_kernel,
    by_torch,
    error_of,
    layers_of,
    results,
    worst_error,
)

SIZES = {  # embedding, hidden, layers, batch, time
    "usual": (100, 128, 1, 3, 12),
    "one of everything": (1, 1, 1, 1, 1),
    "below a warp": (3, 7, 2, 5, 11),
    "two warps, padded": (10, 50, 3, 6, 9),
    "three warps": (17, 96, 1, 2, 7),
    "a full batch": (4, 20, 1, 33, 5),
    "long": (4, 16, 1, 3, 40),
    "a cluster of three blocks": (5, 150, 1, 6, 7),
    "a cluster of four blocks": (9, 256, 1, 5, 6),
}


PRECISIONS = [*PRODUCTS]

Emulated = Callable[..., EmulatedKernel]


@pytest.fixture(scope="module")
def emulated(tmp_path_factory: pytest.TempPathFactory) -> Emulated:
    """Makes the kernel for so many units, with products in a precision."""
    folder = tmp_path_factory.mktemp("emulation")
    try:
        emulations = {precision: Emulation(folder, precision) for precision in PRECISIONS}
    except Unavailable as reason:
        pytest.skip(str(reason))

    def make(hidden: int, precision: str = "float32", descending: bool = False) -> EmulatedKernel:
        return EmulatedKernel(emulations[precision], hidden, descending)

    return make


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("backwards", [False, True])
def test_states_and_gradients_are_those_of_double_precision(
    cell: str, size: str, backwards: bool, emulated: Emulated
) -> None:
    kernel = emulated(SIZES[size][1])
    for readout in READOUTS:
        assert error_of(kernel, cell, SIZES[size], readout, backwards) < 1e-5


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("backwards", [False, True])
def test_in_bfloat16_they_are_those_of_rounded_numbers(
    cell: str, backwards: bool, emulated: Emulated
) -> None:
    """Those by which a CPU defines `protocol.precision=bfloat16`."""
    errors = [
        error_of(
            emulated(size[1], "bfloat16"), cell, size, readout, backwards, precision="bfloat16"
        )
        for size, readout in product(SIZES.values(), READOUTS)
    ]
    # A sum that lies between two numbers of bfloat16 may fall to either, and what follows sees it.
    assert median(errors) < 1e-4
    assert max(errors) < 2**-6


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("backwards", [False, True])
def test_in_bfloat16_they_are_near_those_of_double_precision(
    cell: str, size: str, backwards: bool, emulated: Emulated
) -> None:
    kernel = emulated(SIZES[size][1], "bfloat16")
    for readout in (Readout.LAST, Readout.MEAN):  # another step may have the maximum
        assert error_of(kernel, cell, SIZES[size], readout, backwards) < 2**-5


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("scale", [1e-3, 30.0])
def test_numbers_far_from_1_are_exact_too(cell: str, scale: float, emulated: Emulated) -> None:
    layers, (inputs, lengths) = layers_of(cell, 6, 40, 1), batch_of(6, 5, 9)
    ours, exactly = by_kernel(emulated(40)), by_torch()
    # Where all states are close to 1, their distance from it has few digits in 32 bits.
    allowed = max(1e-5, 2 * worst_error(exactly, exactly, layers, inputs * scale, lengths))
    assert worst_error(ours, exactly, layers, inputs * scale, lengths) < allowed


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("hidden", [33, 128, 129, 256])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_no_result_depends_on_the_order_of_the_threads(
    cell: str, hidden: int, precision: str, emulated: Emulated
) -> None:
    layers, (inputs, lengths) = layers_of(cell, 5, hidden, 1), batch_of(5, 3, 6)
    up, down = (
        results(by_kernel(emulated(hidden, precision, order)), layers, inputs, lengths)
        for order in (False, True)
    )
    assert all(torch.equal(one, two) for one, two in zip(up, down, strict=True))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("place", ["input", "weight_ih_l0", "weight_hh_l0", "bias_hh_l0"])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_what_is_not_finite_shows_where_it_does_in_torch(
    cell: str, value: float, place: str, precision: str, emulated: Emulated
) -> None:
    layers, (inputs, lengths) = layers_of(cell, 3, 7, 1), batch_of(3, 5, 4)
    lengths[:] = 4
    with torch.no_grad():
        if place == "input":
            inputs[2, 1, 0] = value
        else:
            getattr(layers[0].recurrence, place).view(-1)[8 if "weight" in place else 1] = value
    for readout in READOUTS:
        expected = results(by_torch(readout, precision=precision), layers, inputs, lengths)
        found = results(by_kernel(emulated(7, precision), readout), layers, inputs, lengths)
        for ours, theirs in zip(found, expected, strict=True):
            assert torch.equal(ours.isfinite(), theirs.isfinite())
            torch.testing.assert_close(ours[ours.isfinite()], theirs[theirs.isfinite()])


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_what_lies_in_the_padding_plays_no_part(
    cell: str, backwards: bool, precision: str, emulated: Emulated
) -> None:
    layers, (inputs, lengths) = layers_of(cell, 4, 9, 2), batch_of(4, 6, 8)
    padding = torch.arange(8) >= lengths[:, None]
    for readout in READOUTS:
        read = by_kernel(emulated(9, precision), readout, backwards)
        expected = results(read, layers, inputs, lengths)
        found = results(read, layers, inputs.masked_fill(padding[..., None], torch.nan), lengths)
        assert all(torch.equal(ours, theirs) for ours, theirs in zip(found, expected, strict=True))
        assert (found[1][padding] == 0).all()


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("backwards", [False, True])
def test_all_states_are_torch_s_and_0_in_the_padding(
    cell: str, backwards: bool, emulated: Emulated
) -> None:
    (layer,), (inputs, lengths) = layers_of(cell, 5, 9, 1), batch_of(5, 6, 8)
    inside = (torch.arange(8) < lengths[:, None])[..., None]
    expected = layer(reversed_articles(inputs, lengths) if backwards else inputs, lengths)
    expected = reversed_articles(expected, lengths) if backwards else expected
    kernel = emulated(9)
    found = kernel.all_states(layer, inputs, lengths, backwards)
    torch.testing.assert_close(found, expected * inside)
    with torch.inference_mode():  # and nothing is kept for a way back
        assert torch.equal(kernel.all_states(layer, inputs, lengths, backwards), found)


def test_steps_with_the_same_maximum_share_its_gradient_as_in_torch(emulated: Emulated) -> None:
    layers, (inputs, lengths) = layers_of("gru", 3, 5, 1), batch_of(3, 4, 6)
    with torch.no_grad():
        for weight in layers.parameters():
            weight.zero_()  # every state is 0
    expected = results(by_torch(Readout.MAX), layers, inputs, lengths)
    found = results(by_kernel(emulated(5), Readout.MAX), layers, inputs, lengths)
    assert expected[2].abs().max() > 0.1
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_a_graph_is_read_back_twice_to_the_same_gradients(emulated: Emulated) -> None:
    layers, (inputs, lengths) = layers_of("lstm", 4, 9, 1), batch_of(4, 6, 8)
    loss = by_kernel(emulated(9))(layers, inputs, lengths).square().sum()
    first = torch.autograd.grad(loss, [*layers.parameters()], retain_graph=True)
    second = torch.autograd.grad(loss, [*layers.parameters()])
    assert all(torch.equal(one, two) for one, two in zip(first, second, strict=True))


def test_the_gradient_has_no_gradient(emulated: Emulated) -> None:
    layers, (inputs, lengths) = layers_of("gru", 4, 9, 1), batch_of(4, 6, 8)
    loss = by_kernel(emulated(9))(layers, inputs, lengths).sum()
    with pytest.raises(RuntimeError, match="gradients have no gradients"):
        torch.autograd.grad(loss, [*layers.parameters()], create_graph=True)


def test_other_numbers_and_no_articles_are_refused(emulated: Emulated) -> None:
    layers, (inputs, lengths) = layers_of("gru", 4, 9, 1), batch_of(4, 6, 8)
    kernel = emulated(9)
    with pytest.raises(ValueError, match="computes with float32 on cpu"):
        kernel.read_out(layers.double()[0], inputs.double(), lengths, Readout.LAST)
    with pytest.raises(ValueError, match="Lengths must be given"):
        kernel.read_out(layers.float()[0], inputs[:0], lengths[:0], Readout.LAST)

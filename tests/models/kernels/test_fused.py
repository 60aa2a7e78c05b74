"""The kernel's results against torch's in double precision."""

import itertools
import platform
from pathlib import Path

import pytest
import torch
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from rnn_bench.models.kernels import library
from rnn_bench.models.kernels.fused import CpuKernel, FusedKernel
from rnn_bench.models.kernels.library import Readout
from rnn_bench.models.recurrent import reversed_articles
from tests.models.kernels.layers import (
    CELLS,
    READOUTS,
    batch_of,
    by_kernel,
    by_steps,
    by_torch,
    error_of,
    layers_of,
    results,
    worst_error,
)

SIZES = {  # embedding, hidden, layers, batch, time
    "usual": (100, 128, 1, 32, 40),
    "one of everything": (1, 1, 1, 1, 1),
    "below a vector": (3, 7, 2, 5, 11),
    "padded panels": (100, 50, 3, 7, 23),
    "one above a panel": (17, 129, 1, 33, 9),
    "length 1": (10, 20, 2, 6, 1),
    "long": (4, 16, 1, 3, 700),
}


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("readout", READOUTS)
@pytest.mark.parametrize(("threads", "backwards"), [(1, False), (3, True)])
def test_states_and_gradients_are_those_of_double_precision(
    cell: str, size: str, readout: Readout, threads: int, backwards: bool, kernel: FusedKernel
) -> None:
    torch.set_num_threads(threads)
    assert error_of(kernel, cell, SIZES[size], readout, backwards) < 1e-5


@pytest.mark.parametrize("cell", CELLS)
def test_the_mean_of_a_long_article_of_equal_words_is_exact(cell: str, kernel: FusedKernel) -> None:
    layers = layers_of(cell, 10, 16, 1)
    inputs = batch_of(10, 1, 1)[0].expand(2, 5000, 10)  # their rounding errors have one direction
    lengths = torch.tensor([5000, 3000])
    with torch.no_grad():
        found = by_kernel(kernel, Readout.MEAN)(layers, inputs, lengths)
        exact = by_torch(Readout.MEAN)(layers.double(), inputs.double(), lengths)
    torch.testing.assert_close(found.double(), exact, rtol=0, atol=1e-6)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the instructions are of x86-64")
@pytest.mark.parametrize("lanes", [4, 8, 16])
def test_vectors_of_each_width_give_the_results_of_double_precision(
    lanes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if lanes > 4 and library.level() not in library.INSTRUCTIONS:
        pytest.skip("the processor has no AVX2")
    # The layout of AVX-512, in the instructions of AVX2.
    options = {4: (), 8: ("-march=x86-64-v3",), 16: ("-march=x86-64-v3", "-D__AVX512F__=1")}
    monkeypatch.setattr(library, "INSTRUCTIONS", {library.level(): options[lanes]})
    kernel = CpuKernel(tmp_path)
    torch.set_num_threads(2)
    sizes = ("below a vector", "padded panels", "one above a panel")
    for cell, size, readout in itertools.product(CELLS, sizes, READOUTS):
        error = error_of(kernel, cell, SIZES[size], readout, True)
        assert error < 1e-5, (cell, size, readout)


@hypothesis_settings(deadline=None, max_examples=40)
@given(
    cell=st.sampled_from([*CELLS]),
    embedding=st.integers(1, 40),
    hidden=st.integers(1, 70),
    depth=st.integers(1, 3),
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=20),
    scale=st.sampled_from([1e-4, 0.1, 1.0, 3.0]),
    threads=st.integers(1, 4),
    readout=st.sampled_from(READOUTS),
    backwards=st.booleans(),
)
@example("rnn", 5, 1, 1, [1], 3.0, 1, Readout.LAST, False)
def test_any_sizes_and_lengths_give_the_results_of_double_precision(
    kernel: FusedKernel,
    cell: str,
    embedding: int,
    hidden: int,
    depth: int,
    lengths: list[int],
    scale: float,
    threads: int,
    readout: Readout,
    backwards: bool,
) -> None:
    torch.set_num_threads(threads)
    inputs, _ = batch_of(embedding, len(lengths), max(lengths), seed=hidden)
    layers = layers_of(cell, embedding, hidden, depth)
    batch = inputs * scale, torch.tensor(lengths)
    ours, exactly = by_kernel(kernel, readout, backwards), by_torch(readout, backwards)
    # Where all states are close to 1, their distance from it has few digits in 32 bits.
    allowed = max(1e-5, 2 * worst_error(exactly, exactly, layers, *batch))
    assert worst_error(ours, exactly, layers, *batch) < allowed


@pytest.mark.parametrize("cell", CELLS)
def test_the_loss_changes_along_the_gradient_as_it_says(cell: str, kernel: FusedKernel) -> None:
    inputs, lengths = batch_of(5, 4, 7)
    layers = layers_of(cell, 5, 6, 2)
    torch.manual_seed(1)
    _, *gradients = results(by_kernel(kernel), layers, inputs, lengths)
    points = [inputs, *(weight.data for weight in layers.parameters())]
    directions = [gradient / gradient.norm() for gradient in gradients]
    step = 1e-2

    def loss(distance: float) -> float:
        with torch.no_grad():
            for point, direction in zip(points, directions, strict=True):
                point += distance * direction
            states = by_kernel(kernel)(layers, inputs, lengths)
            for point, direction in zip(points, directions, strict=True):
                point -= distance * direction
            weights = torch.linspace(-1, 2, states.numel()).view_as(states)
            return (states.double() * weights).sum().item()

    slope = (loss(step) - loss(-step)) / (2 * step)
    expected = sum(gradient.norm().item() for gradient in gradients)
    assert slope == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("place", ["input", "weight_ih_l0", "weight_hh_l0", "bias_hh_l0"])
@pytest.mark.parametrize("readout", READOUTS)
def test_what_is_not_finite_shows_where_it_does_in_torch(
    cell: str, value: float, place: str, readout: Readout, kernel: FusedKernel
) -> None:
    layers = layers_of(cell, 3, 7, 1)
    inputs, lengths = batch_of(3, 5, 4)
    lengths[:] = 4
    with torch.no_grad():
        if place == "input":
            inputs[2, 1, 0] = value
        else:
            getattr(layers[0].recurrence, place).view(-1)[8 if "weight" in place else 1] = value
    expected = results(by_torch(readout), layers, inputs, lengths)
    found = results(by_kernel(kernel, readout), layers, inputs, lengths)
    for ours, theirs in zip(found, expected, strict=True):
        assert torch.equal(ours.isfinite(), theirs.isfinite())
        torch.testing.assert_close(ours[ours.isfinite()], theirs[theirs.isfinite()])


@pytest.mark.parametrize("cell", CELLS)
def test_an_overflow_shows(cell: str, kernel: FusedKernel) -> None:
    layers = layers_of(cell, 3, 20, 1)
    inputs, lengths = batch_of(3, 5, 4)
    with torch.no_grad():
        for weight in layers.parameters():
            weight *= 1e38
    states, *_ = results(by_kernel(kernel), layers, inputs * 1e10, lengths)
    # By the steps' equations: oneDNN's LSTM gives NaN where on some processors they give none.
    expected = by_steps(layers, inputs * 1e10, lengths)
    assert torch.equal(states.isnan(), expected.isnan())


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("readout", READOUTS)
@pytest.mark.parametrize("backwards", [False, True])
def test_what_lies_in_the_padding_plays_no_part(
    cell: str, readout: Readout, backwards: bool, kernel: FusedKernel
) -> None:
    layers = layers_of(cell, 4, 9, 2)
    inputs, lengths = batch_of(4, 6, 8)
    padding = torch.arange(8) >= lengths[:, None]
    read = by_kernel(kernel, readout, backwards)
    expected = results(read, layers, inputs, lengths)
    inputs[padding] = torch.nan
    found = results(read, layers, inputs, lengths)
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(found, expected, strict=True))
    assert (found[1][padding] == 0).all()


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("backwards", [False, True])
def test_all_states_are_torch_s_and_0_in_the_padding(
    cell: str, backwards: bool, kernel: FusedKernel
) -> None:
    (layer,) = layers_of(cell, 5, 9, 1)
    inputs, lengths = batch_of(5, 6, 8)
    inside = (torch.arange(8) < lengths[:, None])[..., None]
    turned = reversed_articles(inputs, lengths) if backwards else inputs
    expected = layer(turned, lengths)
    expected = reversed_articles(expected, lengths) if backwards else expected
    found = kernel.all_states(layer, inputs, lengths, backwards)
    torch.testing.assert_close(found, expected * inside)


@pytest.mark.parametrize("cell", CELLS)
def test_steps_with_the_same_maximum_share_its_gradient_as_in_torch(
    cell: str, kernel: FusedKernel
) -> None:
    layers = layers_of(cell, 3, 5, 1)
    inputs, lengths = batch_of(3, 4, 6)
    with torch.no_grad():
        for weight in layers.parameters():
            weight.zero_()  # every state is 0
    expected = results(by_torch(Readout.MAX), layers, inputs, lengths)
    found = results(by_kernel(kernel, Readout.MAX), layers, inputs, lengths)
    assert expected[2].abs().max() > 0.1
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs)

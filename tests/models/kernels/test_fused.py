import copy
import itertools
import platform
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from torch import Tensor, nn

from rnn_bench.config.model import cell_names
from rnn_bench.models.cell import cell_class
from rnn_bench.models.kernels import library
from rnn_bench.models.kernels.fused import FusedKernel
from rnn_bench.models.kernels.library import Readout
from rnn_bench.models.recurrent import reversed_articles
from rnn_bench.models.torch_cell import TorchCell

CELLS = cell_names()

SIZES = {  # embedding, hidden, layers, batch, time
    "usual": (100, 128, 1, 32, 40),
    "one of everything": (1, 1, 1, 1, 1),
    "below a vector": (3, 7, 2, 5, 11),
    "padded panels": (100, 50, 3, 7, 23),
    "one above a panel": (17, 129, 1, 33, 9),
    "length 1": (10, 20, 2, 6, 1),
    "long": (4, 16, 1, 3, 700),
}
Read = Callable[[nn.ModuleList, Tensor, Tensor], Tensor]
READOUTS = (Readout.LAST, Readout.MEAN, Readout.MAX)


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


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
            inputs = cell(inputs, lengths)
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


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("readout", READOUTS)
@pytest.mark.parametrize(("threads", "backwards"), [(1, False), (3, True)])
def test_states_and_gradients_are_those_of_double_precision(
    cell: str, size: str, readout: Readout, threads: int, backwards: bool, kernel: FusedKernel
) -> None:
    embedding, hidden, depth, batch, time = SIZES[size]
    torch.set_num_threads(threads)
    inputs, lengths = batch_of(embedding, batch, time)
    layers = layers_of(cell, embedding, hidden, depth)
    ours, exactly = by_kernel(kernel, readout, backwards), by_torch(readout, backwards)
    assert worst_error(ours, exactly, layers, inputs, lengths) < 1e-5


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
    kernel = FusedKernel(tmp_path)
    torch.set_num_threads(2)
    sizes = ("below a vector", "padded panels", "one above a panel")
    for cell, size, readout in itertools.product(CELLS, sizes, READOUTS):
        embedding, hidden, depth, batch, time = SIZES[size]
        layers = layers_of(cell, embedding, hidden, depth)
        ours, exactly = by_kernel(kernel, readout, True), by_torch(readout, True)
        error = worst_error(ours, exactly, layers, *batch_of(embedding, batch, time))
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

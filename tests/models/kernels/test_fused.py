import copy
from collections.abc import Callable, Iterator

import pytest
import torch
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from torch import Tensor, nn

from rnn_bench.models.kernels.fused import FusedKernel
from rnn_bench.models.recurrent import CELLS

SIZES = {  # embedding, hidden, layers, batch, time
    "usual": (100, 128, 1, 32, 40),
    "one of everything": (1, 1, 1, 1, 1),
    "below a vector": (3, 7, 2, 5, 11),
    "padded panels": (100, 50, 3, 7, 23),
    "one above a panel": (17, 129, 1, 33, 9),
    "length 1": (10, 20, 2, 6, 1),
    "long": (4, 16, 1, 3, 700),
}


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def module_of(cell: str, embedding: int, hidden: int, layers: int, dropout: float = 0.0):
    torch.manual_seed(0)
    return CELLS[cell](embedding, hidden, layers, batch_first=True, dropout=dropout)


def by_torch(module: nn.RNNBase, inputs: Tensor, lengths: Tensor) -> Tensor:
    states, _ = module(inputs)
    return states[torch.arange(len(states)), lengths - 1]


def results(
    read: Callable[..., Tensor], module: nn.RNNBase, inputs: Tensor, lengths: Tensor
) -> list[Tensor]:
    """The last states, and the gradients of inputs and weights of a loss that weighs them."""
    inputs = inputs.clone().requires_grad_()
    states = read(module, inputs, lengths)
    weights = torch.linspace(-1, 2, states.numel()).view_as(states).to(states)
    wanted = [inputs, *module.parameters()]
    return [states.detach(), *torch.autograd.grad((states * weights).sum(), wanted)]


def worst_error(
    read: Callable[..., Tensor], module: nn.RNNBase, inputs: Tensor, lengths: Tensor
) -> float:
    """Of outputs and gradients against torch in double precision, relative to their maxima."""
    exact = results(by_torch, copy.deepcopy(module).double(), inputs.double(), lengths)
    found = results(read, module, inputs, lengths)
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
@pytest.mark.parametrize("threads", [1, 3])
def test_states_and_gradients_are_those_of_double_precision(
    cell: str, size: str, threads: int, kernel: FusedKernel
) -> None:
    embedding, hidden, layers, batch, time = SIZES[size]
    torch.set_num_threads(threads)
    inputs, lengths = batch_of(embedding, batch, time)
    module = module_of(cell, embedding, hidden, layers)
    assert worst_error(kernel.last_states, module, inputs, lengths) < 1e-5


@hypothesis_settings(deadline=None, max_examples=40)
@given(
    cell=st.sampled_from([*CELLS]),
    embedding=st.integers(1, 40),
    hidden=st.integers(1, 70),
    layers=st.integers(1, 3),
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=20),
    scale=st.sampled_from([1e-4, 0.1, 1.0, 3.0]),
    threads=st.integers(1, 4),
)
@example("rnn", 5, 1, 1, [1], 3.0, 1)
def test_any_sizes_and_lengths_give_the_results_of_double_precision(
    kernel: FusedKernel,
    cell: str,
    embedding: int,
    hidden: int,
    layers: int,
    lengths: list[int],
    scale: float,
    threads: int,
) -> None:
    torch.set_num_threads(threads)
    inputs, _ = batch_of(embedding, len(lengths), max(lengths), seed=hidden)
    module = module_of(cell, embedding, hidden, layers)
    batch = inputs * scale, torch.tensor(lengths)
    # Where all states are close to 1, their distance from it has few digits in 32 bits.
    allowed = max(1e-5, 2 * worst_error(by_torch, module, *batch))
    assert worst_error(kernel.last_states, module, *batch) < allowed


@pytest.mark.parametrize("cell", CELLS)
def test_the_loss_changes_along_the_gradient_as_it_says(cell: str, kernel: FusedKernel) -> None:
    inputs, lengths = batch_of(5, 4, 7)
    module = module_of(cell, 5, 6, 2)
    torch.manual_seed(1)
    _, *gradients = results(kernel.last_states, module, inputs, lengths)
    points = [inputs, *(weight.data for weight in module.parameters())]
    directions = [gradient / gradient.norm() for gradient in gradients]
    step = 1e-2

    def loss(distance: float) -> float:
        with torch.no_grad():
            for point, direction in zip(points, directions, strict=True):
                point += distance * direction
            states = kernel.last_states(module, inputs, lengths)
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
def test_what_is_not_finite_shows_where_it_does_in_torch(
    cell: str, value: float, place: str, kernel: FusedKernel
) -> None:
    module = module_of(cell, 3, 7, 1)
    inputs, lengths = batch_of(3, 5, 4)
    lengths[:] = 4
    with torch.no_grad():
        if place == "input":
            inputs[2, 1, 0] = value
        else:
            getattr(module, place).view(-1)[8 if "weight" in place else 1] = value
    expected = results(by_torch, module, inputs, lengths)
    found = results(kernel.last_states, module, inputs, lengths)
    for ours, theirs in zip(found, expected, strict=True):
        assert torch.equal(ours.isfinite(), theirs.isfinite())
        torch.testing.assert_close(ours[ours.isfinite()], theirs[theirs.isfinite()])


@pytest.mark.parametrize("cell", CELLS)
def test_an_overflow_shows(cell: str, kernel: FusedKernel) -> None:
    module = module_of(cell, 3, 20, 1)
    inputs, lengths = batch_of(3, 5, 4)
    with torch.no_grad():
        for weight in module.parameters():
            weight *= 1e38
    states, *_ = results(kernel.last_states, module, inputs * 1e10, lengths)
    expected, *_ = results(by_torch, module, inputs * 1e10, lengths)
    assert torch.equal(states.isnan(), expected.isnan())


@pytest.mark.parametrize("cell", CELLS)
def test_what_lies_in_the_padding_plays_no_part(cell: str, kernel: FusedKernel) -> None:
    module = module_of(cell, 4, 9, 2)
    inputs, lengths = batch_of(4, 6, 8)
    padding = torch.arange(8) >= lengths[:, None]
    expected = results(kernel.last_states, module, inputs, lengths)
    inputs[padding] = torch.nan
    found = results(kernel.last_states, module, inputs, lengths)
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(found, expected, strict=True))
    assert (found[1][padding] == 0).all()


@pytest.mark.parametrize("cell", CELLS)
def test_the_same_threads_give_the_same_bits(cell: str, kernel: FusedKernel) -> None:
    torch.set_num_threads(2)
    module = module_of(cell, 10, 30, 2)
    inputs, lengths = batch_of(10, 9, 20)
    first, second = (results(kernel.last_states, module, inputs, lengths) for _ in range(2))
    assert all(torch.equal(one, two) for one, two in zip(first, second, strict=True))


@pytest.mark.parametrize("cell", CELLS)
def test_without_gradients_the_states_are_the_same_and_nothing_is_kept(
    cell: str, kernel: FusedKernel
) -> None:
    kernel = copy.deepcopy(kernel)
    module = module_of(cell, 10, 30, 2)
    inputs, lengths = batch_of(10, 9, 200)
    states = kernel.last_states(module, inputs, lengths)
    with torch.inference_mode():
        assert torch.equal(kernel.last_states(module, inputs, lengths), states)
    states.sum().backward()
    ((rolling,), (kept,)) = (kernel.kept[layer]._free for layer in (None, 0))
    assert rolling.numel() < kept.numel() / 20


def test_two_forward_passes_before_a_backward_one_do_not_meet(kernel: FusedKernel) -> None:
    module = module_of("lstm", 4, 9, 2)
    inputs, lengths = batch_of(4, 6, 8)
    apart = [results(kernel.last_states, module, each, lengths)[2] for each in (inputs, -inputs)]
    one, two = (kernel.last_states(module, each, lengths) for each in (inputs, -inputs))
    weights = torch.linspace(-1, 2, one.numel()).view_as(one)
    for states, expected in ((one, apart[0]), (two, apart[1])):
        (states * weights).sum().backward()
        assert module.weight_ih_l0.grad is not None
        assert torch.equal(module.weight_ih_l0.grad, expected)
        module.zero_grad()


def test_the_memory_of_a_step_is_that_of_the_step_before(kernel: FusedKernel) -> None:
    kernel = copy.deepcopy(kernel)
    module = module_of("gru", 4, 9, 1)
    inputs, lengths = batch_of(4, 6, 8)
    places = set()
    for _ in range(3):
        kernel.last_states(module, inputs, lengths).sum().backward()
        places.add((kernel.kept[0]._free[0].data_ptr(), kernel.scratch._free[0].data_ptr()))
    assert len(places) == 1


def test_a_second_way_back_is_right_or_refused(kernel: FusedKernel) -> None:
    module = module_of("rnn", 4, 9, 1)
    inputs, lengths = batch_of(4, 6, 8)
    loss = kernel.last_states(module, inputs, lengths).sum()
    loss.backward(retain_graph=True)
    assert module.weight_ih_l0.grad is not None
    once = module.weight_ih_l0.grad.clone()
    loss.backward(retain_graph=True)
    assert torch.equal(module.weight_ih_l0.grad, 2 * once)
    kernel.last_states(module, -inputs, lengths)  # takes the memory
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_the_gradient_of_a_gradient_is_refused(kernel: FusedKernel) -> None:
    module = module_of("gru", 4, 9, 1)
    inputs, lengths = batch_of(4, 6, 8)
    inputs.requires_grad_()
    loss = kernel.last_states(module, inputs, lengths).sum()
    with pytest.raises(RuntimeError, match="gradients have no gradients"):
        torch.autograd.grad(loss, inputs, create_graph=True)


def test_weights_that_change_before_the_way_back_are_noticed(kernel: FusedKernel) -> None:
    module = module_of("gru", 4, 9, 1)
    inputs, lengths = batch_of(4, 6, 8)
    loss = kernel.last_states(module, inputs, lengths).sum()
    with torch.no_grad():
        module.weight_hh_l0 += 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_what_the_kernel_does_not_compute_is_refused(kernel: FusedKernel) -> None:
    inputs, lengths = batch_of(4, 6, 8)
    for module in (
        nn.GRU(4, 9, batch_first=True, bidirectional=True),
        nn.RNN(4, 9, batch_first=True, nonlinearity="relu"),
    ):
        with pytest.raises(ValueError, match="one direction"):
            kernel.last_states(module, inputs, lengths)
    gru = module_of("gru", 4, 9, 1)
    with pytest.raises(ValueError, match="float32"):
        kernel.last_states(gru.double(), inputs.double(), lengths)
    for wrong in (0, 9):
        lengths[3] = wrong
        with pytest.raises(ValueError, match="between 1 and 8"):
            kernel.last_states(gru.float(), inputs, lengths)

"""How the loss's gradient reaches back to earlier hidden states."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from rnn_bench.config.model import Recurrent, Tfidf, cell_names
from rnn_bench.config.protocol import Protocol
from rnn_bench.data.batches import Batch
from rnn_bench.data.encoding import Split
from rnn_bench.evaluation.gradient_flow import (
    MOST_ARTICLES,
    drawn_batches,
    followed,
    gradient_flow,
    gradient_norms,
    reach,
    reason_not_followed,
    unrolled,
    vector_norms,
)
from rnn_bench.models.recurrent import RecurrentClassifier

CELLS = cell_names()


def classifier(
    cell: str, readout: str = "last_token", num_layers: int = 1, bidirectional: bool = False
) -> RecurrentClassifier:
    torch.manual_seed(0)
    model = RecurrentClassifier(
        cell, 5, 7, num_layers, bidirectional, 0.5, vocabulary_size=20, classes=3, readout=readout
    )
    return followed(model)


def articles(lengths: list[int]) -> Split:
    random = torch.Generator().manual_seed(1)
    tokens = torch.randint(1, 20, (sum(lengths),), generator=random, dtype=torch.int32)
    offsets = torch.tensor([0, *np.cumsum(lengths).tolist()])
    return Split(tokens, offsets, torch.arange(len(lengths)) % 3)


def batch(lengths: list[int]) -> Batch:
    """The articles, padded to the longest."""
    split = articles(lengths)
    tokens = torch.zeros(len(lengths), max(lengths), dtype=torch.int32)
    for i, length in enumerate(lengths):
        tokens[i, :length] = split.tokens[split.offsets[i] : split.offsets[i + 1]]
    return Batch(tokens, torch.tensor(lengths), split.labels)


def alone(together: Batch, i: int, padded_to: int | None = None) -> Batch:
    length = padded_to or int(together.lengths[i])
    return Batch(
        together.tokens[i : i + 1, :length], together.lengths[i : i + 1], together.labels[i : i + 1]
    )


def rnn_step(gates: Tensor, recurrent: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    return torch.tanh(gates + recurrent), c


def lstm_step(gates: Tensor, recurrent: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    i, f, g, o = (gates + recurrent).chunk(4)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def gru_step(gates: Tensor, recurrent: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    (r_in, z_in, n_in), (r_rec, z_rec, n_rec) = gates.chunk(3), recurrent.chunk(3)
    r, z = torch.sigmoid(r_in + r_rec), torch.sigmoid(z_in + z_rec)
    return (1 - z) * torch.tanh(n_in + r * n_rec) + z * h, c


EQUATIONS = {"rnn": rnn_step, "lstm": lstm_step, "gru": gru_step}


def norms_by_hand(model: RecurrentClassifier, cell: str, article: Batch) -> list[float]:
    """Of one article, from the cell's equations, layer above layer, step after step."""
    inputs = [*model.embedding(article.tokens[0])]
    layers = []
    for (one_cell,) in model.layers:
        w_ih, w_hh, b_ih, b_hh = one_cell.weights
        h = c = torch.zeros(7, dtype=torch.double, requires_grad=True)
        states = []
        for x in inputs:
            h, c = EQUATIONS[cell](w_ih @ x + b_ih, w_hh @ h + b_hh, h, c)
            states.append(h)
        layers.append(states)
        inputs = states
    last = inputs[int(article.lengths[0]) - 1]
    read = {
        "last_token": last,
        "padded_end": inputs[-1],
        "mean": sum(inputs) / len(inputs),
        "max": torch.stack([*inputs]).amax(0),
    }
    logits = model.output.weight @ read[model.readout] + model.output.bias
    loss = F.cross_entropy(logits[None], article.labels)
    squares = 0.0
    for states in layers:
        gradients = torch.autograd.grad(loss, states, retain_graph=True, allow_unused=True)
        squares += np.array([0.0 if g is None else float((g**2).sum()) for g in gradients])
    return np.sqrt(squares)[: int(article.lengths[0])][::-1].tolist()


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("readout", ["last_token", "mean", "max"])
@pytest.mark.parametrize("num_layers", [1, 2])
def test_norms_are_those_of_the_cell_s_equations(cell: str, readout: str, num_layers: int) -> None:
    model = classifier(cell, readout, num_layers)
    together = batch([4, 9, 1, 6])
    found = gradient_norms(model, together)
    for i, length in enumerate(together.lengths.tolist()):
        expected = norms_by_hand(model, cell, alone(together, i))
        np.testing.assert_allclose(found[i, :length], expected, rtol=1e-9)
        assert found[i, length:].tolist() == [0.0] * (9 - length)


@pytest.mark.parametrize("cell", CELLS)
def test_with_padded_end_the_way_across_the_padding_counts(cell: str) -> None:
    model = classifier(cell, "padded_end")
    together = batch([4, 9])
    expected = norms_by_hand(model, cell, alone(together, 0, padded_to=9))
    np.testing.assert_allclose(gradient_norms(model, together)[0, :4], expected, rtol=1e-9)
    near = gradient_norms(model, alone(together, 0))[0, 0]
    assert gradient_norms(model, together)[0, 0] != near


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("readout", ["last_token", "padded_end", "mean", "max"])
@pytest.mark.parametrize(("num_layers", "bidirectional"), [(1, False), (2, False), (2, True)])
def test_the_network_that_is_followed_is_the_one_that_is_tested(
    cell: str, readout: str, num_layers: int, bidirectional: bool
) -> None:
    model = classifier(cell, readout, num_layers, bidirectional)
    together = batch([4, 9, 1, 6])
    logits, layers = unrolled(model, together)
    assert [len(steps) for steps in layers] == [9] * num_layers
    for layer in model.layers:
        for each in layer:
            each.by_steps = False
    torch.testing.assert_close(logits, model(together.tokens, together.lengths))


class Averages(nn.Module):
    """A cell that keeps an average of its inputs, step by step or all at once."""

    def __init__(self, input_size: int, hidden_size: int, at_once: bool = False) -> None:
        super().__init__()
        self.inwards = nn.Linear(input_size, hidden_size)
        self.at_once = at_once

    def forward(self, inputs: Tensor, lengths: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        inputs = self.inwards(inputs)
        if self.at_once:
            return inputs.cumsum(1)
        states = [inputs[:, 0]]
        for time in range(1, inputs.shape[1]):
            states.append(0.5 * states[-1] + inputs[:, time])
        stacked = torch.stack(states).transpose(0, 1)
        return stacked, stacked  # states and memory


class AtOnce(Averages):
    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, at_once=True)


class SinglePrecision(Averages):
    def forward(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        return torch.stack([*self.inwards(inputs.float()).unbind(1)], 1)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_user_s_cell_is_followed_through_the_states_that_it_stacks(bidirectional: bool) -> None:
    model = classifier(f"{__name__}.Averages", bidirectional=bidirectional)
    norms = gradient_norms(model, batch([4, 9, 1]))
    for i, length in enumerate([4, 9, 1]):
        halves = norms[i, 0] * 0.5 ** torch.arange(length, dtype=torch.double)
        torch.testing.assert_close(norms[i, :length], halves)


def test_a_cell_that_cannot_be_followed_says_why() -> None:
    def reason(cell: str) -> str:
        return reason_not_followed(Recurrent(name="x", cell=f"{__name__}.{cell}"))

    assert reason("Averages") == ""
    assert reason("AtOnce") == (
        "has no gradient flow: AtOnce does not compute a state for each step and torch.stack them."
    )
    assert "has no gradient flow: SinglePrecision " in reason("SinglePrecision")
    assert reason_not_followed(Tfidf()).startswith("has no hidden states")
    assert [reason_not_followed(Recurrent(name=cell, cell=cell)) for cell in CELLS] == [""] * 3


def test_the_trial_draws_no_random_numbers() -> None:
    before = torch.get_rng_state()
    reason_not_followed(Recurrent(name="gru", cell="gru"))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(("num_layers", "bidirectional"), [(1, False), (2, False), (2, True)])
@settings(max_examples=5, deadline=None)
@given(lengths=st.lists(st.integers(1, 12), min_size=2, max_size=6))
def test_neither_padding_nor_the_other_articles_change_an_article_s_norms(
    cell: str, num_layers: int, bidirectional: bool, lengths: list[int]
) -> None:
    model, together = classifier(cell, "last_token", num_layers, bidirectional), batch(lengths)
    found = gradient_norms(model, together)
    for i, length in enumerate(lengths):
        expected = gradient_norms(model, alone(together, i))
        torch.testing.assert_close(found[i : i + 1, :length], expected)


def test_means_are_over_the_articles_that_are_long_enough() -> None:
    lengths = [4, 9, 1, 6]
    before, after = classifier("gru"), classifier("lstm")
    steps: list[tuple[int, int]] = []
    table = gradient_flow(
        before, after, articles(lengths), Protocol(name="p"), lambda *step: steps.append(step)
    )
    assert [*table] == ["steps_back", "articles", "initial", "trained"]
    assert table["steps_back"].tolist() == [*range(9)]
    assert table["articles"].tolist() == [4, 3, 3, 3, 2, 2, 1, 1, 1]
    for name, model in (("initial", before), ("trained", after)):
        norms = gradient_norms(model, batch(lengths))
        assert table[name][0] == pytest.approx(float(norms[:, 0].mean()))
        assert table[name][4] == pytest.approx(float(norms[[1, 3], 4].mean()))
        assert table[name][8] == pytest.approx(float(norms[1, 8]))
    assert steps == [(0, 2), (1, 2)]


def test_the_followed_model_leaves_the_original_as_it_is() -> None:
    model = RecurrentClassifier(
        "gru", 5, 7, 1, False, 0.5, vocabulary_size=20, classes=3, readout="mean"
    )
    followed(model)
    assert model.training
    assert {each.dtype for each in model.parameters()} == {torch.float}
    assert all(each.requires_grad for each in model.parameters())


def test_a_large_test_split_is_drawn_from_evenly() -> None:
    lengths = np.arange(10_000) % 500 + 1
    drawn = drawn_batches(lengths, Protocol(name="p"))
    places = np.sort(np.concatenate(drawn))
    assert len({*places.tolist()}) == len(places) == MOST_ARTICLES
    assert (places[0], places[-1]) == (0, 9_999)
    assert {*np.diff(places).tolist()} <= {9, 10}
    assert all(np.ptp(lengths[batch]) < 40 for batch in drawn)


def test_with_padded_end_whole_batches_of_the_test_are_drawn() -> None:
    protocol = Protocol(name="p", readout="padded_end", batch_size=100)
    drawn = drawn_batches(np.full(1_950, 7), protocol)
    assert len(drawn) == 10
    for batch in drawn[:-1]:
        assert batch.tolist() == [*range(batch[0], batch[0] + 100)]
        assert batch[0] % 100 == 0
    assert drawn[-1].tolist() == [*range(1_900, 1_950)]


def test_norms_are_right_where_squares_would_be_too_small_or_too_large() -> None:
    pairs = [3e-200, 4e-200, 3e200, 4e200, 0, 0, math.inf, 1, math.nan, 1]
    gradients = torch.tensor(pairs, dtype=torch.double).view(1, 5, 1, 2)
    norms = vector_norms(gradients).flatten()
    expected = torch.tensor([5e-200, 5e200, 0, math.inf, math.nan], dtype=torch.double)
    torch.testing.assert_close(norms, expected, rtol=1e-12, atol=0, equal_nan=True)


def test_reach_is_where_a_hundredth_is_left() -> None:
    assert reach(np.array([1.0, 0.5, 0.02, 0.009, 0.5])) == 3
    assert reach(np.array([1.0, 3.0, 0.02])) == 3
    assert math.isnan(reach(np.array([0.0, 0.0])))
    assert math.isnan(reach(np.array([1.0, np.nan])))
    assert math.isnan(reach(np.array([1.0, np.inf])))

"""How the loss's gradient reaches back to earlier inputs and states."""

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


def norms_by_hand(model: RecurrentClassifier, cell: str, article: Batch) -> dict[str, list[float]]:
    """Of one article, from the cell's equations, layer above layer, step after step."""
    embedded = [*model.embedding(article.tokens[0]).detach().requires_grad_()]
    inputs, parts = embedded, []
    for (one_cell,) in model.layers:
        w_ih, w_hh, b_ih, b_hh = one_cell.weights
        h = c = torch.zeros(7, dtype=torch.double, requires_grad=True)
        states, memories = [], []
        for x in inputs:
            h, c = EQUATIONS[cell](w_ih @ x + b_ih, w_hh @ h + b_hh, h, c)
            c = c.clone()  # handed on to the next step; h came from the other
            states.append(h)
            memories.append(c)
        parts += [states, memories] if cell == "lstm" else [states]
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

    def norms(parts: list[list[Tensor]]) -> list[float]:
        squares = np.zeros(len(inputs))
        for steps in parts:
            gradients = torch.autograd.grad(loss, steps, retain_graph=True, allow_unused=True)
            squares += np.array([0.0 if g is None else float((g**2).sum()) for g in gradients])
        return np.sqrt(squares)[: int(article.lengths[0])][::-1].tolist()

    return {"input": norms([embedded]), "state": norms(parts)}


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("readout", ["last_token", "mean", "max"])
@pytest.mark.parametrize("num_layers", [1, 2])
def test_norms_are_those_of_the_cell_s_equations(cell: str, readout: str, num_layers: int) -> None:
    model = classifier(cell, readout, num_layers)
    together = batch([4, 9, 1, 6])
    found = gradient_norms(model, together)
    assert [*found] == ["input", "state"]
    for i, length in enumerate(together.lengths.tolist()):
        expected = norms_by_hand(model, cell, alone(together, i))
        for by, norms in found.items():
            np.testing.assert_allclose(norms[i, :length], expected[by], rtol=1e-9)
            assert norms[i, length:].tolist() == [0.0] * (9 - length)


@pytest.mark.parametrize("cell", CELLS)
def test_with_padded_end_the_way_across_the_padding_counts(cell: str) -> None:
    model = classifier(cell, "padded_end")
    together = batch([4, 9])
    expected = norms_by_hand(model, cell, alone(together, 0, padded_to=9))
    near = gradient_norms(model, alone(together, 0))
    for by, norms in gradient_norms(model, together).items():
        np.testing.assert_allclose(norms[0, :4], expected[by], rtol=1e-9)
        assert norms[0, 0] != near[by][0, 0]


@pytest.mark.parametrize("readout", ["last_token", "mean"])
def test_the_lstm_s_norms_are_those_of_a_small_change_of_what_a_step_hands_on(readout: str) -> None:
    """By central differences of the loss that torch's own LSTMCell gives from there on."""
    model, article, length = classifier("lstm", readout), alone(batch([8]), 0), 8
    cell = nn.LSTMCell(5, 7).requires_grad_(False).double()
    ((recurrence,),) = model.layers
    for mine, weight in zip(cell.parameters(), recurrence.weights, strict=True):
        mine.data = weight.data
    words = model.embedding(article.tokens[0])

    def loss(changed: int, of_input: Tensor, of_state: Tensor) -> float:
        h, c = torch.zeros(2, 1, 7, dtype=torch.double)
        states = []
        for step, x in enumerate(words):
            at_step = float(step == changed)
            h, c = cell((x + at_step * of_input)[None], (h, c))
            h, c = h + at_step * of_state[:7], c + at_step * of_state[7:]
            states.append(h)
        read = states[-1] if readout == "last_token" else sum(states) / length
        return float(F.cross_entropy(model.output(read), article.labels))

    def slope(step: int, place: int, by: str) -> float:
        small = torch.eye(14, dtype=torch.double)[place] * 1e-5
        none = torch.zeros(14, dtype=torch.double)
        of_input, of_state = (small, none) if by == "input" else (none, small)
        ahead = loss(step, of_input[:5], of_state)
        return (ahead - loss(step, -of_input[:5], -of_state)) / 2e-5

    for by, places in (("input", 5), ("state", 14)):
        slopes = [[slope(step, place, by) for place in range(places)] for step in range(length)]
        expected = np.linalg.norm(slopes, axis=1)[::-1]
        found = gradient_norms(model, article)[by][0]
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-10)


def test_an_lstm_that_never_reads_its_hidden_states_still_has_a_memory() -> None:
    model = classifier("lstm")
    ((cell,),) = model.layers
    w_ih, w_hh, b_ih, b_hh = cell.weights
    w_hh.zero_()
    for forget in (w_ih, b_ih, b_hh):
        forget.chunk(4)[1].zero_()  # the gate is always half open
    norms = gradient_norms(model, batch([12]))["state"][0]
    halves = norms[1] * 0.5 ** torch.arange(11, dtype=torch.double)
    assert norms[1] > 0
    torch.testing.assert_close(norms[1:], halves)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("readout", ["last_token", "padded_end", "mean", "max"])
@pytest.mark.parametrize(("num_layers", "bidirectional"), [(1, False), (2, False), (2, True)])
def test_the_network_that_is_followed_is_the_one_that_is_tested(
    cell: str, readout: str, num_layers: int, bidirectional: bool
) -> None:
    model = classifier(cell, readout, num_layers, bidirectional)
    together = batch([4, 9, 1, 6])
    logits, embedded, layers = unrolled(model, together)
    torch.testing.assert_close(embedded, model.embedding(together.tokens))
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


class LastMemory(Averages):
    """States step by step, but the memory of the last step alone."""

    def forward(self, inputs: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        states, _ = super().forward(inputs, lengths)
        return states, states[:, -1] * 2


class SinglePrecision(Averages):
    def forward(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        return torch.stack([*self.inwards(inputs.float()).unbind(1)], 1)


class OwnLSTM(nn.Module):
    """A user's LSTM, with the weights of torch's, which stacks what each step leaves behind."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(input_size, hidden_size)

    def forward(self, inputs: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        h = c = inputs.new_zeros(len(inputs), self.cell.hidden_size)
        states, memories = [], []
        for x in inputs.unbind(1):
            h, c = self.cell(x, (h, c))
            states.append(h)
            memories.append(c)
        return torch.stack(states, 1), torch.stack(memories, 1)


class Trace(nn.Module):
    """A cell whose memory comes from its state: h_t = x_t + m_t-1, m_t = m_t-1 / 10 + h_t / 2."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.inwards = nn.Linear(input_size, hidden_size)

    def forward(self, inputs: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        inputs = self.inwards(inputs)
        memory = torch.zeros_like(inputs[:, 0])
        states, memories = [], []
        for x in inputs.unbind(1):
            states.append(x + memory)
            memory = memory / 10 + states[-1] / 2
            memories.append(memory)
        return torch.stack(states, 1), torch.stack(memories, 1)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_user_s_cell_is_followed_through_the_states_that_it_stacks(bidirectional: bool) -> None:
    model = classifier(f"{__name__}.Averages", bidirectional=bidirectional)
    norms = gradient_norms(model, batch([4, 9, 1]))["state"]
    for i, length in enumerate([4, 9, 1]):
        halves = norms[i, 0] * 0.5 ** torch.arange(length, dtype=torch.double)
        torch.testing.assert_close(norms[i, :length], halves)


@pytest.mark.parametrize(("num_layers", "bidirectional"), [(1, False), (2, True)])
def test_a_user_s_lstm_has_the_norms_of_torch_s(num_layers: int, bidirectional: bool) -> None:
    torchs = classifier("lstm", "mean", num_layers, bidirectional)
    users = classifier(f"{__name__}.OwnLSTM", "mean", num_layers, bidirectional)
    for mine, weight in zip(users.parameters(), torchs.parameters(), strict=True):
        mine.data = weight.data
    together = batch([4, 9, 1])
    expected = gradient_norms(torchs, together)
    for by, norms in gradient_norms(users, together).items():
        torch.testing.assert_close(norms, expected[by])


def test_a_memory_that_is_computed_from_the_state_counts_for_itself() -> None:
    model = classifier(f"{__name__}.Trace")
    norms = gradient_norms(model, batch([9]))["state"][0]
    # h_t is read by no later step but through m_t, which counts where it is.
    expected = norms[1] * 0.6 ** torch.arange(8, dtype=torch.double)
    torch.testing.assert_close(norms[0], norms[1])  # h is read out, then m is added to it
    torch.testing.assert_close(norms[1:], expected)


def test_a_cell_without_steps_is_followed_by_input_alone() -> None:
    norms = gradient_norms(classifier(f"{__name__}.AtOnce"), batch([6, 9]))
    assert [*norms] == ["input"]
    for i, length in enumerate([6, 9]):  # all inputs are added up
        torch.testing.assert_close(norms["input"][i, :length], norms["input"][i, :1].expand(length))
    assert [*gradient_norms(classifier(f"{__name__}.LastMemory"), batch([6, 9]))] == ["input"]
    table = gradient_flow(
        *(classifier(f"{__name__}.AtOnce") for _ in range(2)),
        *(articles([4, 9]), Protocol(name="p"), lambda *step: None),
    )
    assert [*table] == ["steps_back", "articles", "initial_input", "trained_input"]


def test_a_model_that_cannot_be_followed_says_why() -> None:
    def reason(cell: str) -> str:
        return reason_not_followed(Recurrent(name="x", cell=f"{__name__}.{cell}"))

    assert [reason(cell) for cell in ("Averages", "AtOnce", "LastMemory", "OwnLSTM")] == [""] * 4
    assert "has no gradient flow: SinglePrecision " in reason("SinglePrecision")
    assert reason_not_followed(Tfidf()).startswith("has no steps")
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
        for by, expected in gradient_norms(model, alone(together, i)).items():
            torch.testing.assert_close(found[by][i : i + 1, :length], expected)


def test_means_are_over_the_articles_that_are_long_enough() -> None:
    lengths = [4, 9, 1, 6]
    before, after = classifier("gru"), classifier("lstm")
    steps: list[tuple[int, int]] = []
    table = gradient_flow(
        before, after, articles(lengths), Protocol(name="p"), lambda *step: steps.append(step)
    )
    columns = ["initial_input", "initial_state", "trained_input", "trained_state"]
    assert [*table] == ["steps_back", "articles", *columns]
    assert table["steps_back"].tolist() == [*range(9)]
    assert table["articles"].tolist() == [4, 3, 3, 3, 2, 2, 1, 1, 1]
    for when, model in (("initial", before), ("trained", after)):
        for by, norms in gradient_norms(model, batch(lengths)).items():
            means = table[f"{when}_{by}"]
            assert means[0] == pytest.approx(float(norms[:, 0].mean()))
            assert means[4] == pytest.approx(float(norms[[1, 3], 4].mean()))
            assert means[8] == pytest.approx(float(norms[1, 8]))
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
    gradients = torch.tensor(pairs, dtype=torch.double).view(1, 5, 2)
    norms = vector_norms(gradients).flatten()
    expected = torch.tensor([5e-200, 5e200, 0, math.inf, math.nan], dtype=torch.double)
    torch.testing.assert_close(norms, expected, rtol=1e-12, atol=0, equal_nan=True)


def test_reach_is_where_a_hundredth_is_left() -> None:
    assert reach(np.array([1.0, 0.5, 0.02, 0.009, 0.5])) == 3
    assert reach(np.array([1.0, 3.0, 0.02])) == 3
    assert math.isnan(reach(np.array([0.0, 0.0])))
    assert math.isnan(reach(np.array([1.0, np.nan])))
    assert math.isnan(reach(np.array([1.0, np.inf])))

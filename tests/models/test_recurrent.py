"""The network around a cell: layers, directions, readouts, dropout."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from rnn_bench.config.errors import ConfigError
from rnn_bench.config.model import cell_names
from rnn_bench.models.recurrent import RecurrentClassifier, reversed_articles

CELLS = cell_names()
READOUTS = ("last_token", "padded_end", "mean", "max")
TORCH = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


class TorchClassifier(nn.Module):
    """The network with torch's module of several layers and packed sequences."""

    def __init__(
        self, cell: str, readout: str, num_layers: int, bidirectional: bool, dropout: float = 0.5
    ):
        super().__init__()
        self.embedding = nn.Embedding(20, 5, padding_idx=0)
        self.recurrent = TORCH[cell](
            *(5, 7, num_layers),
            batch_first=True,
            bidirectional=bidirectional,
            dropout=dropout if num_layers > 1 else 0.0,
        )
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(14 if bidirectional else 7, 3)
        self.readout = readout
        self.packs = bidirectional and readout != "padded_end"

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        embedded = self.embedding(tokens)
        if self.packs:
            packed = pack_padded_sequence(embedded, lengths, True, enforce_sorted=False)
            states, _ = pad_packed_sequence(self.recurrent(packed)[0], batch_first=True)
        else:
            states, _ = self.recurrent(embedded)
        inside = (torch.arange(states.shape[1]) < lengths[:, None])[..., None]
        last = states[torch.arange(len(states)), lengths - 1]
        read = {
            "last_token": torch.cat([last[:, :7], states[:, 0, 7:]], 1),
            "padded_end": torch.cat([states[:, -1, :7], states[:, 0, 7:]], 1),
            "mean": (states * inside).sum(1) / lengths[:, None],
            "max": states.masked_fill(~inside, -torch.inf).amax(1),
        }
        return self.output(self.dropout(read[self.readout]))


def classifier(
    cell: str, readout: str, num_layers: int = 1, bidirectional: bool = False
) -> RecurrentClassifier:
    torch.manual_seed(0)
    return RecurrentClassifier(
        cell, 5, 7, num_layers, bidirectional, 0.5, vocabulary_size=20, classes=3, readout=readout
    ).eval()


def padded(lengths: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(1)
    tokens = torch.zeros(len(lengths), max(lengths), dtype=torch.int32)
    for row, length in enumerate(lengths):
        tokens[row, :length] = torch.randint(1, 20, (length,), generator=random)
    return tokens, torch.tensor(lengths)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("readout", ["last_token", "mean", "max"])
@pytest.mark.parametrize(("num_layers", "bidirectional"), [(1, False), (2, False), (2, True)])
def test_padding_never_reaches_the_answer(
    cell: str, readout: str, num_layers: int, bidirectional: bool
) -> None:
    model = classifier(cell, readout, num_layers, bidirectional)
    tokens, lengths = padded([4, 9, 1, 6])
    together = model(tokens, lengths)
    alone = [model(tokens[i : i + 1, :n], lengths[i : i + 1]) for i, n in enumerate(lengths)]
    torch.testing.assert_close(together, torch.cat(alone))


@pytest.mark.parametrize(
    ("cell", "readout", "num_layers", "bidirectional"),
    [*itertools.product(CELLS, READOUTS, (1, 2), (False, True))],
)
def test_logits_and_gradients_are_those_of_torch_s_packed_layers(
    cell: str, readout: str, num_layers: int, bidirectional: bool
) -> None:
    ours = classifier(cell, readout, num_layers, bidirectional).double()
    torch.manual_seed(0)
    theirs = TorchClassifier(cell, readout, num_layers, bidirectional).eval().double()
    for one, two in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(one, two)  # the seed's initial weights are torch's
    tokens, lengths = padded([4, 9, 1, 6])
    expected, found = theirs(tokens, lengths), ours(tokens, lengths)
    torch.testing.assert_close(found, expected)
    weights = torch.linspace(-1, 2, found.numel()).view_as(found)
    for one, two in zip(
        torch.autograd.grad((found * weights).sum(), [*ours.parameters()]),
        torch.autograd.grad((expected * weights).sum(), [*theirs.parameters()]),
        strict=True,
    ):
        torch.testing.assert_close(one, two)


@pytest.mark.parametrize(
    ("cell", "readout", "num_layers"), [*itertools.product(CELLS, READOUTS, (1, 2, 3))]
)
def test_losses_in_one_direction_are_torch_s_bit_by_bit(
    cell: str, readout: str, num_layers: int
) -> None:
    tokens, lengths = padded([4, 9, 1, 6])
    losses = []
    for make in (classifier, TorchClassifier):
        torch.manual_seed(0)
        model = make(cell, readout, num_layers, False).train()
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        losses.append([])
        for _ in range(4):
            labels = torch.tensor([0, 1, 2, 1])
            loss = nn.functional.cross_entropy(model(tokens, lengths), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses[-1].append(loss.item())
    assert losses[0] == losses[1]
    assert len({*losses[0]}) == 4


@pytest.mark.parametrize(
    ("cell", "readout", "num_layers"), [*itertools.product(CELLS, READOUTS, (1, 2))]
)
def test_losses_in_two_directions_are_packing_s_over_20_steps(
    cell: str, readout: str, num_layers: int
) -> None:
    tokens, lengths = padded([4, 9, 1, 6])
    labels, losses = torch.tensor([0, 1, 2, 1]), []
    for make in (classifier, TorchClassifier):
        torch.manual_seed(0)
        model = make(cell, readout, num_layers, True).eval()  # dropout draws in another order
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        losses.append([])
        for _ in range(20):
            loss = nn.functional.cross_entropy(model(tokens, lengths), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses[-1].append(loss.item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert losses[0][-1] < 0.8 * losses[0][0]


def test_articles_are_reversed_within_their_own_length() -> None:
    values = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 9.0]])[..., None]
    found = reversed_articles(values, torch.tensor([3, 2]))
    assert found[..., 0].tolist() == [[3.0, 2.0, 1.0], [5.0, 4.0, 9.0]]


@pytest.mark.parametrize("cell", CELLS)
def test_the_padded_end_is_the_state_after_the_padding(cell: str) -> None:
    model = classifier(cell, "padded_end")
    tokens, lengths = padded([4, 9])
    alone = model(tokens[:1, :4], lengths[:1])
    assert not torch.allclose(model(tokens, lengths)[:1], alone)


class OneState(nn.Module):
    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()

    def forward(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        return inputs[:, 0]


def test_a_cell_that_returns_no_state_for_each_step_is_refused() -> None:
    model = classifier(f"{__name__}.OneState", "mean")
    says = r"OneState returns \[2, 5\]. It must return states .*, here \[2, 4, 7\]"
    with pytest.raises(ConfigError, match=says):
        model(*padded([4, 2]))


@pytest.mark.parametrize("readout", READOUTS)
def test_gradients_reach_every_weight_but_padding_s(readout: str) -> None:
    model = classifier("gru", readout, num_layers=2).train()
    tokens, lengths = padded([4, 9, 1])
    model(tokens, lengths).square().sum().backward()
    for name, weight in model.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.abs().sum() > 0, name
    assert (model.embedding.weight.grad[0] == 0).all()


def test_dropout_acts_on_the_readout() -> None:
    one = classifier("lstm", "last_token")
    tokens, lengths = padded([5])
    one.train()
    assert not torch.equal(one(tokens, lengths), one(tokens, lengths))


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.integers(1, 12), min_size=1, max_size=6),
    st.sampled_from([*CELLS]),
    st.sampled_from(["last_token", "mean", "max"]),
)
def test_more_padding_changes_nothing(lengths: list[int], cell: str, readout: str) -> None:
    model = classifier(cell, readout)
    tokens, counts = padded(lengths)
    wider = torch.nn.functional.pad(tokens, (0, 3))
    torch.testing.assert_close(model(tokens, counts), model(wider, counts))

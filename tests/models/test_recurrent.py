import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_bench.models.recurrent import CELLS, RecurrentClassifier

READOUTS = ("last_token", "padded_end", "mean", "max")


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


@pytest.mark.parametrize("cell", CELLS)
def test_the_padded_end_is_the_state_after_the_padding(cell: str) -> None:
    model = classifier(cell, "padded_end")
    tokens, lengths = padded([4, 9])
    states, _ = model.recurrent(model.embedding(tokens))
    torch.testing.assert_close(model.read(tokens, lengths), states[:, -1])
    alone = model(tokens[:1, :4], lengths[:1])
    assert not torch.allclose(model(tokens, lengths)[:1], alone)


@pytest.mark.parametrize("cell", CELLS)
def test_two_directions_of_the_padded_end_are_the_final_states(cell: str) -> None:
    model = classifier(cell, "padded_end", bidirectional=True)
    tokens, lengths = padded([4, 9])
    states, _ = model.recurrent(model.embedding(tokens))
    forward, backward = states[:, -1, :7], states[:, 0, 7:]
    torch.testing.assert_close(model.read(tokens, lengths), torch.cat([forward, backward], 1))
    assert not model.packs


@pytest.mark.parametrize("cell", CELLS)
def test_two_directions_end_at_the_first_and_at_the_last_token(cell: str) -> None:
    model = classifier(cell, "last_token", bidirectional=True)
    tokens, lengths = padded([6])
    states, _ = model.recurrent(model.embedding(tokens))
    expected = torch.cat([states[:, -1, :7], states[:, 0, 7:]], 1)
    torch.testing.assert_close(model.read(tokens, lengths), expected)
    assert model.packs


@pytest.mark.parametrize("readout", READOUTS)
def test_gradients_reach_every_weight_but_padding_s(readout: str) -> None:
    model = classifier("gru", readout, num_layers=2).train()
    tokens, lengths = padded([4, 9, 1])
    model(tokens, lengths).square().sum().backward()
    for name, weight in model.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.abs().sum() > 0, name
    assert (model.embedding.weight.grad[0] == 0).all()


def test_dropout_acts_on_the_readout_and_between_layers() -> None:
    one, two = classifier("lstm", "last_token"), classifier("lstm", "last_token", num_layers=2)
    assert (one.recurrent.dropout, two.recurrent.dropout) == (0.0, 0.5)
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

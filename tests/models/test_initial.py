"""The weights that training begins with, and the dropout of embeddings."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from rnn_bench.config.model import cell_names
from rnn_bench.config.schema import Config
from rnn_bench.data.encoding import EncodedCorpus, encoded_corpus
from rnn_bench.models.initial import initial_model
from rnn_bench.models.kernels.fused import FusedKernel
from rnn_bench.models.recurrent import RecurrentClassifier
from tests.conftest import SMALL

Compose = Callable[..., Config]

TORCH = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
ORTHOGONAL = "protocol.recurrent_init=orthogonal"
TORCH_EMBEDDINGS = "protocol.embedding_std=1"
OWN_BIASES = "protocol.forget_bias=null"
DEEP = ("model.num_layers=2", "model.bidirectional=true")


def made(config: Config, fused: FusedKernel | None = None) -> RecurrentClassifier:
    model = initial_model(config, encoded_corpus(config), fused)
    assert isinstance(model, RecurrentClassifier)
    return model


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    return {**model.state_dict()}


def differing(one: nn.Module, other: nn.Module) -> set[str]:
    """The names of the weights that are not the same in two models, bit by bit."""
    first, second = weights_of(one), weights_of(other)
    assert first.keys() == second.keys()
    return {name for name in first if not torch.equal(first[name], second[name])}


# --- torch's weights -----------------------------------------------------------------------------


@pytest.mark.parametrize("cell", cell_names())
@pytest.mark.parametrize("protocol", ["fair", "notebook"])
def test_the_weights_are_torch_s_of_the_seed_bit_by_bit(
    cell: str, protocol: str, configured: Compose
) -> None:
    recipe = (f"protocol={protocol}", TORCH_EMBEDDINGS, OWN_BIASES)
    config = configured(*SMALL, f"model={cell}", *recipe, "seed=3")
    found = weights_of(made(config))
    state_of_generator = torch.get_rng_state()
    torch.manual_seed(3)
    embedding = nn.Embedding(len(encoded_corpus(config).vocabulary), 8, padding_idx=0)
    expected = [embedding, TORCH[cell](8, 8), nn.Linear(8, 2)]
    theirs = [weight for module in expected for weight in module.state_dict().values()]
    assert all(torch.equal(a, b) for a, b in zip(found.values(), theirs, strict=True))
    assert torch.equal(torch.get_rng_state(), state_of_generator), "dropout draws as before"


# --- embeddings ----------------------------------------------------------------------------------


def test_another_spread_scales_the_same_embeddings_and_changes_nothing_else(
    configured: Compose,
) -> None:
    usual = made(configured(*SMALL, TORCH_EMBEDDINGS))
    state_of_generator = torch.get_rng_state()
    scaled = made(configured(*SMALL, "protocol.embedding_std=0.1"))
    assert torch.equal(torch.get_rng_state(), state_of_generator)
    assert differing(usual, scaled) == {"embedding.weight"}
    torch.testing.assert_close(scaled.embedding.weight, usual.embedding.weight * 0.1)
    assert (scaled.embedding.weight[0] == 0).all()
    assert scaled.embedding.weight[1:].std().item() == pytest.approx(0.1, rel=0.2)


# --- cells ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", cell_names())
@pytest.mark.parametrize("deep", [(), DEEP])
def test_orthogonal_cells_have_orthonormal_columns_and_glorot_s_bounds(
    cell: str, deep: tuple[str, ...], configured: Compose
) -> None:
    sizes = ("model.hidden_size=32", "model.embedding_dim=40")
    model = made(configured(*SMALL, f"model={cell}", *sizes, *deep, ORTHOGONAL, OWN_BIASES))
    cells = [each for layer in model.layers for each in layer]  # type: ignore[union-attr]
    assert len(cells) == (4 if deep else 1)
    for each in cells:
        w, u, *biases = each.weights
        torch.testing.assert_close(u.T @ u, torch.eye(32), atol=1e-5, rtol=0)
        bound = (6 / (w.shape[0] + w.shape[1])) ** 0.5
        assert 0.97 * bound < w.abs().max() <= bound
        assert w.std().item() == pytest.approx(bound / 3**0.5, rel=0.05)
        assert all((bias == 0).all() for bias in biases)
    draws = {each.weights[1].sum().item() for each in cells}
    assert len(draws) == len(cells), "each cell has its own weights"


def test_orthogonal_cells_leave_the_other_layers_as_they_were(configured: Compose) -> None:
    changed = differing(made(configured(*SMALL)), made(configured(*SMALL, ORTHOGONAL)))
    assert changed == {
        f"layers.0.0.recurrence.{name}_l0"
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    }


@pytest.mark.parametrize("start", ["torch", "orthogonal"])
def test_the_forget_gate_alone_gets_its_bias(start: str, configured: Compose) -> None:
    arguments = (*SMALL, "model=lstm", *DEEP, f"protocol.recurrent_init={start}")
    usual, biased = (
        made(configured(*arguments, more)) for more in (OWN_BIASES, "protocol.forget_bias=1.5")
    )
    for layer, other in zip(biased.layers, usual.layers, strict=True):
        for cell, before in zip(layer, other, strict=True):  # type: ignore[call-overload]
            *weights, b, b_hidden = cell.weights
            *weights_before, b_before, b_hidden_before = before.weights
            assert all(torch.equal(*pair) for pair in zip(weights, weights_before, strict=True))
            assert ((b + b_hidden)[8:16] == 1.5).all()
            kept = [*range(8), *range(16, 32)]
            assert torch.equal(b[kept], b_before[kept])
            assert torch.equal(b_hidden[kept], b_hidden_before[kept])


def test_a_forget_gate_with_a_large_bias_keeps_its_memory(configured: Compose) -> None:
    """Of the four gates it is the forget gate whose bias is set."""
    cell = made(configured(*SMALL, "model=lstm", "protocol.forget_bias=50")).layers[0][0]
    inputs, memory = torch.zeros(1, 8), torch.full((1, 8), 3.0)
    for weight in cell.weights[:2]:
        weight.detach().zero_()
    _, after = cell.step(inputs, torch.zeros(1, 8), memory)
    b, b_hidden = cell.weights[2:]
    i, _, g, _ = (b + b_hidden).chunk(4)
    torch.testing.assert_close(after[0], memory[0] + i.sigmoid() * g.tanh())


@pytest.mark.parametrize("cell", ["rnn", "gru"])
def test_a_cell_without_a_forget_gate_has_no_forget_bias(cell: str, configured: Compose) -> None:
    arguments = (*SMALL, f"model={cell}")
    model = made(configured(*arguments, "protocol.forget_bias=1"))
    assert differing(model, made(configured(*arguments))) == set()


OWN_CELLS = """
import torch
from torch import nn

class Plain(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.inner = nn.GRU(input_size, hidden_size, batch_first=True)

    def forward(self, inputs, lengths):
        return self.inner(inputs)[0]

class WithHooks(Plain):
    def draw_orthogonal(self):
        nn.init.constant_(self.inner.weight_hh_l0, 2.0)

    def set_forget_bias(self, value):
        nn.init.constant_(self.inner.bias_hh_l0, value)
"""


@pytest.fixture
def own_cells(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(workplace)
    (workplace / "own_cells.py").write_text(OWN_CELLS)


@pytest.mark.usefixtures("own_cells")
def test_a_cell_of_one_s_own_gets_the_weights_that_its_methods_give(configured: Compose) -> None:
    recipe = (ORTHOGONAL, "protocol.forget_bias=3", "model.cell=own_cells.WithHooks")
    inner = made(configured(*SMALL, *recipe)).layers[0][0].inner
    assert (inner.weight_hh_l0 == 2).all()
    assert (inner.bias_hh_l0 == 3).all()


@pytest.mark.usefixtures("own_cells")
def test_a_cell_of_one_s_own_without_the_methods_keeps_its_weights_and_that_is_said(
    configured: Compose, caplog: pytest.LogCaptureFixture
) -> None:
    own = (*SMALL, "model.cell=own_cells.Plain")
    with caplog.at_level("INFO"):
        usual = made(configured(*own))
        assert "keeps the weights" not in caplog.text
        recipe = made(configured(*own, ORTHOGONAL, "protocol.forget_bias=3"))
    assert differing(usual, recipe) == set()
    assert "Plain keeps the weights that it draws itself" in caplog.text


# --- dropout of embeddings -----------------------------------------------------------------------


def article() -> tuple[Tensor, Tensor]:
    return torch.tensor([[2, 3, 4, 5, 6], [3, 2, 0, 0, 0]]), torch.tensor([5, 2])


def without_readout_dropout(configured: Compose, *overrides: str) -> RecurrentClassifier:
    return made(configured(*SMALL, "model.dropout=0", *overrides))


def test_dropout_of_embeddings_acts_in_training_alone(configured: Compose) -> None:
    model = without_readout_dropout(configured, "protocol.embedding_dropout=0.5").train()
    assert not torch.equal(model(*article()), model(*article()))
    usual = without_readout_dropout(configured)
    assert torch.equal(model.eval()(*article()), usual.eval()(*article()))


def test_the_embedded_tokens_get_torch_s_dropout(configured: Compose) -> None:
    keys = ("protocol.embedding_dropout=0.25", "protocol.readout=last_token")
    model = without_readout_dropout(configured, *keys).train()
    tokens, lengths = article()
    torch.manual_seed(5)
    found = model(tokens, lengths)
    torch.manual_seed(5)
    embedded = nn.Dropout(0.25)(model.embedding(tokens))
    states = model.layers[0][0](embedded, lengths)
    torch.testing.assert_close(found, model.output(states[torch.arange(2), lengths - 1]))


def test_without_dropout_of_embeddings_no_random_number_is_drawn(configured: Compose) -> None:
    model = without_readout_dropout(configured).train()
    before = torch.get_rng_state()
    model(*article())
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("cell", cell_names())
def test_the_fused_kernel_trains_with_the_recipe_as_torch_does(
    cell: str, kernel: FusedKernel, configured: Compose
) -> None:
    recipe = (ORTHOGONAL, "protocol.forget_bias=1", "protocol.embedding_dropout=0.3")
    config = configured(*SMALL, f"model={cell}", *recipe, "protocol.embedding_std=0.1")
    losses, gradients = [], []
    for fused in (None, kernel):
        model = made(config, fused).train()
        loss = nn.functional.cross_entropy(model(*article()), torch.tensor([0, 1]))
        loss.backward()
        losses.append(loss.item())
        gradients.append(model.embedding.weight.grad)
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    torch.testing.assert_close(gradients[1], gradients[0])


@pytest.mark.parametrize("model", ["tfidf", "majority"])
def test_a_baseline_has_no_part_in_the_recipe_of_networks(model: str, configured: Compose) -> None:
    recipe = (ORTHOGONAL, "protocol.embedding_std=0.1", "protocol.embedding_dropout=0.5")
    config = configured("dataset.articles=192", f"model={model}", *recipe)
    corpus: EncodedCorpus = encoded_corpus(config)
    assert not [*initial_model(config, corpus).parameters()]

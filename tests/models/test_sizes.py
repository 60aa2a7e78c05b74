"""Cells of equal size."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from mlflow.entities import Run
from torch import Tensor, nn

from rnn_bench.config.errors import ConfigError
from rnn_bench.config.schema import Config
from rnn_bench.models.recurrent import RecurrentClassifier
from rnn_bench.models.sizes import equal_hidden_size
from rnn_bench.serving.classifier import TextClassifier
from rnn_bench.tracking.run_key import run_key
from tests.conftest import SMALL, Command

Compose = Callable[..., Config]
Runs = Callable[[], list[Run]]


class ReadsItsWeights(nn.Module):
    """A cell that cannot be made without memory."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.rand(hidden_size))
        self.largest = self.scale.max().item()

    def forward(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        return inputs


class Unmakeable(nn.Module):
    def __init__(self, input_size: int, hidden_size: int) -> None:
        raise RuntimeError("I need a GPU.")


def parameters_of(cell: str, hidden_size: int, layers: int, bidirectional: bool) -> int:
    """Counted in a network that is made."""
    shape = (100, hidden_size, layers, bidirectional, 0.0)
    made = RecurrentClassifier(
        cell, *shape, vocabulary_size=3, classes=2, readout="last_token"
    ).layers
    return sum(weight.numel() for weight in made.parameters())


@pytest.mark.parametrize(("model", "size"), [("lstm", 128), ("gru", 154), ("rnn", 296)])
@pytest.mark.parametrize("parameters", ["lstm", "117760"])
def test_cells_get_the_hidden_size_at_which_they_are_as_large_as_the_lstm(
    model: str, size: int, parameters: str, configured: Compose
) -> None:
    config = configured(f"model={model}", f"protocol.parameters={parameters}")
    assert (config.model.hidden_size, config.protocol.parameters) == (size, "117760")


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize(("layers", "bidirectional"), [(1, False), (3, False), (2, True)])
def test_no_other_size_is_nearer(cell: str, layers: int, bidirectional: bool) -> None:
    wanted = 54_321
    found = equal_hidden_size(cell, 100, layers, bidirectional, wanted)
    distances = {
        size: abs(parameters_of(cell, size, layers, bidirectional) - wanted)
        for size in range(max(1, found - 3), found + 4)
    }
    assert min(distances, key=lambda size: distances[size]) == found


def test_the_lstm_that_is_matched_has_the_model_s_other_keys(configured: Compose) -> None:
    keys = ("model.num_layers=2", "model.bidirectional=true", "model.hidden_size=40")
    config = configured("model=gru", *keys, "protocol.parameters=lstm")
    assert config.protocol.parameters == str(parameters_of("lstm", 40, 2, True))


def test_a_chosen_size_is_chosen_again_from_what_is_recorded(configured: Compose) -> None:
    config = configured("model=gru", "protocol.parameters=lstm")
    again = replace(config, seed=3)
    assert again.model.hidden_size == 154
    recorded = configured("model=gru", "model.hidden_size=154", "protocol.parameters=117760")
    assert run_key(recorded, "f") == run_key(config, "f")


def test_no_number_leaves_the_size_as_it_is(configured: Compose) -> None:
    assert configured("model=rnn").model.hidden_size == 128
    assert configured("model=tfidf", "protocol.parameters=lstm").protocol.parameters == "lstm"


def test_a_cell_of_one_s_own_is_made_and_counted() -> None:
    before = torch.get_rng_state()
    assert equal_hidden_size(f"{__name__}.ReadsItsWeights", 10, 1, False, 700) == 700
    assert torch.equal(torch.get_rng_state(), before)
    with pytest.raises(ConfigError, match=r"Unmakeable, which cannot be made .* I need a GPU"):
        equal_hidden_size(f"{__name__}.Unmakeable", 10, 1, False, 700)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (
            "300",
            "parameters=300 is not possible with gru: with model.hidden_size=1 it has",
        ),
        ("9000000000000", "is not possible with gru: with model.hidden_size=65536 it has"),
        ("0", "it must be lstm, or a whole number above 0, or null"),
        ("gru", "it must be lstm, or a whole number above 0, or null"),
    ],
)
def test_a_number_that_no_size_has_is_refused(value: str, says: str, rnn_bench: Command) -> None:
    answer = rnn_bench(f"protocol.parameters={value}", "plan=true")
    assert (answer.status, answer.out) == (2, "")
    assert says in answer.err
    assert len(answer.err.splitlines()) <= 6


def test_a_run_records_its_size_and_its_model_is_served(
    rnn_bench: Command, recorded_runs: Runs
) -> None:
    assert rnn_bench(*SMALL, "model=rnn", "protocol.parameters=lstm").status == 0
    (run,) = recorded_runs()
    params, count = run.data.params, 4 * 8 * (8 + 8 + 2)
    assert params["protocol.parameters"] == str(count)
    size = int(params["model.hidden_size"])
    assert size == 20, "20 x (8 + 20 + 2) is nearer to 576 than 19 x (8 + 19 + 2)"
    assert run.data.metrics["parameter_count"] > size * (8 + size + 2)
    folder = Path(run.info.artifact_uri.removeprefix("file://")) / "model"
    assert TextClassifier.load(folder).model.hidden_size == size

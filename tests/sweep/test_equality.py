"""What the comparison and the report's answer say of networks of equal size or training time."""

import re
from pathlib import Path

import pytest

from rnn_bench.report.analysis import Results
from rnn_bench.report.conclusions import write_conclusions
from rnn_bench.report.explanations import explain_numbers
from rnn_bench.tracking.store import open_existing
from rnn_bench.tracking.sweeps import read_sweep
from tests.conftest import SMALL, SMALL_CORPUS, Command

TWO_EPOCHS = (*SMALL_CORPUS, "protocol.epochs=2", "threads=1")
MY_CELL = """
import torch
from torch import nn


class Mean(nn.Module):
    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.linear = nn.Linear(input_size, hidden_size)

    def forward(self, inputs: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        return self.linear(inputs).cumsum(1)
"""
CELLS = "model=lstm,gru,rnn"
SIZE = "equal size (about 576 recurrent weights each: hidden size 8 lstm, 10 gru, 20 rnn)"


def answer(out: str) -> str:
    """The report's answer on the corpus of the sweep that printed this."""
    return write_conclusions(results(out))[0]


def results(out: str) -> Results:
    sweep_id = out.rpartition("Sweep ")[2].partition(".")[0]
    return Results(read_sweep(*open_existing(None, "rnn-bench"), sweep_id))


def test_networks_of_equal_size_and_time_are_said_to_be(rnn_bench: Command) -> None:
    equal = ("protocol.parameters=lstm", "protocol.train_seconds=0.001")
    out = rnn_bench("-m", CELLS, *SMALL, *equal).out
    both = f"{SIZE} and equal training time (0.001 s each)"
    assert f"At {both}, on demo, " in out.replace("\n", " ")
    assert answer(out).startswith(f"At {both}, on demo, ")
    assert "Sizes differ" not in explain_numbers(results(out))


def test_networks_that_end_before_their_time_are_of_equal_size_alone(rnn_bench: Command) -> None:
    equal = ("protocol.parameters=576", "protocol.train_seconds=1000")
    out = rnn_bench("-m", CELLS, *SMALL, *equal).out
    assert answer(out).startswith(f"At {SIZE}, on demo, ")


def test_the_sizes_of_cells_that_differ_are_beside_the_answer(rnn_bench: Command) -> None:
    out = rnn_bench("-m", f"{CELLS},majority", *TWO_EPOCHS).out
    assert answer(out).startswith("On demo, ")
    sizes = "Sizes differ. Recurrent weights: lstm 117,760, gru 88,320, rnn 29,440."
    assert sizes in explain_numbers(results(out))


def test_a_network_beside_a_baseline_is_equal_to_none(rnn_bench: Command) -> None:
    equal = ("protocol.parameters=lstm", "protocol.train_seconds=0.001")
    out = rnn_bench("-m", "model=gru,majority", *TWO_EPOCHS, *equal).out
    assert answer(out).startswith("On demo, the trained ")


def test_sizes_are_not_claimed_of_a_cell_that_only_its_owner_can_import(
    rnn_bench: Command, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workplace / "owner_cells.py").write_text(MY_CELL)
    monkeypatch.syspath_prepend(workplace)
    out = rnn_bench("-m", "model.cell=gru,owner_cells.Mean", *SMALL).out
    assert "gru" in answer(out)
    assert "Sizes differ" not in explain_numbers(results(out))
    assert "equal size" not in answer(out)


def test_of_several_corpora_all_networks_must_be_equal(rnn_bench: Command) -> None:
    sizes = ("protocol.parameters=lstm", "dataset.train_size=0.5,0.6,0.7,1")
    out = rnn_bench("-m", "model=lstm,gru", "seed=0,1,2", *SMALL, *sizes).out
    size = SIZE.replace(", 20 rnn", "")
    some = r"(of|of the \d of|no model is better than chance on any of)"
    assert re.match(rf"At {re.escape(size)}, {some} 4 corpora and settings", answer(out))

"""Finding cells and counting what they compute."""

import pytest
import torch
from torch import Tensor, nn

from rnn_bench.config.errors import ConfigError
from rnn_bench.config.model import Recurrent, cell_name, cell_names
from rnn_bench.models.cell import cell_class, is_fused, multiply_adds
from rnn_bench.models.cells.gru import GRU
from rnn_bench.models.recurrent import RecurrentClassifier


class Scan(nn.Module):
    """A cell that says what it computes."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()

    @staticmethod
    def multiply_adds(input_size: int, hidden_size: int) -> int:
        return input_size * hidden_size + 7


class HalfGRU(GRU):
    """A cell that computes something else than the cell of the package that it extends."""

    def forward(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        return super().forward(inputs, lengths) / 2


class RandomScale(nn.Module):
    """A cell without matrices that computes with a number that it draws."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((hidden_size,), torch.rand(()).item()))


class OneSize(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()


class ThreeSizes(nn.Module):
    def __init__(self, input_size: int, hidden_size: int, *, gates: int) -> None:
        super().__init__()


@pytest.mark.parametrize("name", cell_names())
def test_a_cell_of_the_package_is_the_class_of_its_file(name: str) -> None:
    assert cell_class(name).__name__.lower() == name
    assert cell_class(name).version >= 1


def test_a_cell_of_one_s_own_is_called_as_its_class() -> None:
    path = f"{__name__}.Scan"
    assert cell_class(path) is Scan
    assert (cell_name(path), cell_name("gru")) == ("Scan", "gru")


def test_a_wrong_name_is_refused_before_torch_is_asked() -> None:
    with pytest.raises(ConfigError, match=r"model.cell=lstmm .* Did you mean lstm\?"):
        Recurrent(name="x", cell="lstmm")


@pytest.mark.parametrize("cell", [OneSize, ThreeSizes])
def test_a_class_that_is_not_made_as_a_cell_is_refused(cell: type[nn.Module]) -> None:
    name = cell.__name__
    with pytest.raises(ConfigError, match=rf"cannot be made as {name}\(input_size, hidden_size\)"):
        Recurrent(name="x", cell=f"{__name__}.{name}")


def test_the_fused_kernel_does_not_compute_a_subclass_as_its_base() -> None:
    assert [is_fused(name) for name in cell_names()] == [True] * 3
    assert not is_fused(f"{__name__}.HalfGRU")
    assert "HalfGRU" in RecurrentClassifier.beyond_fused(f"{__name__}.HalfGRU")


@pytest.mark.parametrize(("name", "gates"), [("rnn", 1), ("gru", 3), ("lstm", 4)])
def test_a_token_costs_a_multiply_add_for_each_weight(name: str, gates: int) -> None:
    assert multiply_adds(name, 100, 128) == gates * 128 * (100 + 128)
    assert multiply_adds(f"{__name__}.Scan", 3, 5) == 22
    deep = RecurrentClassifier.multiply_adds(name, 100, 128, 2, bidirectional=True)
    assert deep == 2 * gates * 128 * ((100 + 128) + (256 + 128))


def test_a_cell_without_matrices_costs_something() -> None:
    assert multiply_adds(f"{__name__}.RandomScale", 3, 5) == 1


def test_counting_draws_no_random_numbers() -> None:
    before = torch.get_rng_state()
    multiply_adds("gru", 11, 13)
    multiply_adds(f"{__name__}.RandomScale", 11, 13)
    assert torch.equal(torch.get_rng_state(), before)

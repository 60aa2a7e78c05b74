"""The simple recurrent cell."""

import torch
from torch import Tensor, nn

from rnn_bench.models.kernels.library import FusedCell
from rnn_bench.models.torch_cell import TorchCell


class RNN(TorchCell):
    """h_t = tanh(W x_t + U h_t-1) (Elman 1990, "Finding structure in time", with tanh)."""

    version = 1
    colours = ("#d55e00", "#ff8a47")
    marker = "o"
    torch_class, fused = nn.RNN, FusedCell.RNN

    def next_state(
        self, of_inputs: Tensor, of_hidden: Tensor, hidden: Tensor, memory: Tensor
    ) -> tuple[Tensor, Tensor]:
        return torch.tanh(of_inputs + of_hidden), memory

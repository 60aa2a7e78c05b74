"""The gated recurrent unit."""

import torch
from torch import Tensor, nn

from rnn_bench.models.kernels.library import FusedCell
from rnn_bench.models.torch_cell import TorchCell


class GRU(TorchCell):
    """Cho et al. 2014, arXiv 1406.1078v3, equations 5 to 8, but with the reset gate r applied to
    the product U h_t-1 instead of to h_t-1, as in its first version, torch and cuDNN."""

    version = 1
    colours = ("#009e73", "#35c99a")
    marker = "^"
    torch_class, fused = nn.GRU, FusedCell.GRU

    def next_state(
        self, of_inputs: Tensor, of_hidden: Tensor, hidden: Tensor, memory: Tensor
    ) -> tuple[Tensor, Tensor]:
        r_inputs, z_inputs, n_inputs = of_inputs.chunk(3, dim=1)
        r_hidden, z_hidden, n_hidden = of_hidden.chunk(3, dim=1)
        r = torch.sigmoid(r_inputs + r_hidden)
        z = torch.sigmoid(z_inputs + z_hidden)
        n = torch.tanh(n_inputs + r * n_hidden)
        return (1 - z) * n + z * hidden, memory

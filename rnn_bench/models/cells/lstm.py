"""The long short-term memory."""

import torch
from torch import Tensor, nn

from rnn_bench.models.kernels.library import FusedCell
from rnn_bench.models.torch_cell import TorchCell


class LSTM(TorchCell):
    """Hochreiter and Schmidhuber 1997, "Long short-term memory", with the forget gate f of Gers,
    Schmidhuber and Cummins 2000, "Learning to forget"; no peepholes."""

    version = 1
    colours = ("#0072b2", "#5db3ea")
    marker = "s"
    torch_class, fused, uses_onednn = nn.LSTM, FusedCell.LSTM, True

    def next_state(
        self, of_inputs: Tensor, of_hidden: Tensor, hidden: Tensor, memory: Tensor
    ) -> tuple[Tensor, Tensor]:
        i, f, g, o = (of_inputs + of_hidden).chunk(4, dim=1)
        memory = torch.sigmoid(f) * memory + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(memory), memory

    @torch.no_grad()
    def set_forget_bias(self, value: float) -> None:
        """Give the forget gate a bias, which is the sum of torch's two."""
        for bias, number in zip(self.weights[2:], (value, 0.0), strict=True):
            bias.chunk(4)[1].fill_(number)

"""The one network that the recurrent cells are compared in."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from rnn_bench.data.vocabulary import PADDING
from rnn_bench.models.kernels.fused import FusedKernel

CELLS: dict[str, Callable[..., nn.RNNBase]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


class RecurrentClassifier(nn.Module):
    """Embedding, recurrent layers, readout of the hidden states, linear layer.

    The readout is the state at each article's own last token (`last_token`), the state after
    the padded batch's last position (`padded_end`), or the mean or maximum of the states at
    the article's tokens. With two directions the backward state of `last_token` is the one at
    the article's first token, where that direction ends.

    Input is right-padded and unpacked, which keeps the fast kernels: a forward state never
    depends on what comes after it. A backward state does, so two directions need packing,
    unless `padded_end` asks for the padding.

    `fused`, if it is set, computes the recurrence in the place of torch: in one direction, and
    where the last state alone is read.
    """

    fused: FusedKernel | None = None

    def __init__(
        self,
        cell: str,
        embedding_dim: int,
        hidden_size: int,
        num_layers: int,
        bidirectional: bool,
        dropout: float,
        *,
        vocabulary_size: int,
        classes: int,
        readout: str,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, embedding_dim, padding_idx=PADDING)
        self.recurrent = CELLS[cell](
            embedding_dim,
            hidden_size,
            num_layers,
            batch_first=True,
            bidirectional=bidirectional,
            dropout=dropout if num_layers > 1 else 0.0,
        )
        self.readout = readout
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden_size * (2 if bidirectional else 1), classes)

    @property
    def packs(self) -> bool:
        """Whether the input is packed, which loses cuDNN's and oneDNN's fast paths."""
        return self.recurrent.bidirectional and self.readout != "padded_end"

    def forward(
        self, tokens: Int[Tensor, "batch time"], lengths: Int[Tensor, " batch"]
    ) -> Float[Tensor, "batch classes"]:
        """Logits of the classes."""
        logits: Tensor = self.output(self.dropout(self.read(tokens, lengths)))
        return logits

    def read(
        self, tokens: Int[Tensor, "batch time"], lengths: Int[Tensor, " batch"]
    ) -> Float[Tensor, "batch state"]:
        """The state that the classifier reads."""
        embedded = self.embedding(tokens)
        if self.fused:
            if self.readout == "padded_end":
                lengths = torch.full_like(lengths, tokens.shape[1])
            return self.fused.last_states(self.recurrent, embedded, lengths)
        if self.packs:
            packed = pack_padded_sequence(
                embedded, lengths.cpu(), batch_first=True, enforce_sorted=False
            )
            packed_states, _ = self.recurrent(packed)
            states, _ = pad_packed_sequence(packed_states, batch_first=True)
        else:
            states, _ = self.recurrent(embedded)
        return self.read_out(states, lengths)

    def read_out(
        self, states: Float[Tensor, "batch time directions"], lengths: Int[Tensor, " batch"]
    ) -> Float[Tensor, "batch state"]:
        """What the classifier reads of the last layer's states at every step."""
        if self.readout == "mean":
            inside = _inside(lengths, states)
            return (states * inside).sum(1) / lengths[:, None]
        if self.readout == "max":
            return states.masked_fill(~_inside(lengths, states), -torch.inf).amax(1)
        if self.readout == "padded_end":
            last = states[:, -1]
        else:
            last = states[torch.arange(len(states), device=states.device), lengths - 1]
        if self.recurrent.bidirectional:  # the backward direction ends at the first step
            size = self.recurrent.hidden_size
            return torch.cat([last[:, :size], states[:, 0, size:]], dim=1)
        return last


def _inside(lengths: Tensor, states: Tensor) -> Tensor:
    return (torch.arange(states.shape[1], device=states.device) < lengths[:, None])[..., None]

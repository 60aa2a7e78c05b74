"""The network in which the recurrent cells are compared."""

from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from rnn_bench.config.errors import ConfigError
from rnn_bench.config.model import cell_name, cell_names
from rnn_bench.data.vocabulary import PADDING
from rnn_bench.models.cell import cell_class, is_fused, multiply_adds
from rnn_bench.models.kernels.fused import FusedKernel
from rnn_bench.models.torch_cell import TorchCell


class RecurrentClassifier(nn.Module):
    """Embedding, layers of a recurrent cell, readout of the states, linear layer.

    With two directions, a layer has a second cell that reads each article reversed within its own
    length. The readout of a direction is its state after the article's last token in its reading
    order (`last_token`), its state after the padded batch's last position (`padded_end`), or the
    mean or maximum of its states at the article's tokens. Both directions' readouts are
    concatenated. With `padded_end` padding counts as part of the article throughout.

    `fused`, if it is set, computes the cells in the place of torch. `embedding_dropout` is the
    dropout of the numbers of the embedded tokens, in training.
    """

    version = 1  # raise it when the same weights would give other logits, or training other losses
    fused: FusedKernel | None = None
    embedding_dropout = 0.0

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
        self.cell, self.hidden_size, self.readout = cell, hidden_size, readout
        self.embedding = nn.Embedding(vocabulary_size, embedding_dim, padding_idx=PADDING)
        make, directions = cell_class(cell), 2 if bidirectional else 1
        # Weights are drawn in the order of torch's nn.RNN, nn.LSTM and nn.GRU of several layers.
        self.layers = nn.ModuleList(
            nn.ModuleList(make(size, hidden_size) for _ in range(directions))
            for size in input_sizes(embedding_dim, hidden_size, num_layers, directions)
        )
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(directions * hidden_size, classes)

    def forward(
        self, tokens: Int[Tensor, "batch time"], lengths: Int[Tensor, " batch"]
    ) -> Float[Tensor, "batch classes"]:
        """Return the logits of the classes."""
        logits: Tensor = self.output(self.dropout(self.read(tokens, lengths)))
        return logits

    def read(
        self, tokens: Int[Tensor, "batch time"], lengths: Int[Tensor, " batch"]
    ) -> Float[Tensor, "batch state"]:
        """Return the readout of the last layer, which the linear layer gets."""
        if self.readout == "padded_end":
            lengths = torch.full_like(lengths, tokens.shape[1])
        inputs: Tensor = self.embedding(tokens)
        if self.embedding_dropout and self.training:  # else no random number is drawn
            inputs = nn.functional.dropout(inputs, self.embedding_dropout)
        *below, last = cast(list[nn.ModuleList], [*self.layers])
        for layer in below:
            both = [
                self.states(cell, each, lengths) for cell, each in _pairs(layer, inputs, lengths)
            ]
            both[1:] = [reversed_articles(states, lengths) for states in both[1:]]
            # On [time, batch, hidden], so that dropout draws as between torch's own layers.
            states = torch.cat([states.transpose(0, 1) for states in both], 2)
            inputs = self.dropout(states).transpose(0, 1)
        pairs = _pairs(last, inputs, lengths)
        return torch.cat([self.read_out(cell, each, lengths) for cell, each in pairs], 1)

    def read_out(
        self,
        cell: nn.Module,
        inputs: Float[Tensor, "batch time features"],
        lengths: Int[Tensor, " batch"],
    ) -> Float[Tensor, "batch hidden"]:
        """Return the readout of one cell, whose inputs are in its reading order."""
        if self.fused and isinstance(cell, TorchCell):
            return self.fused.last_states(cell, inputs, lengths)
        states = self.states(cell, inputs, lengths)
        if self.readout in ("last_token", "padded_end"):
            return states[torch.arange(len(states), device=states.device), lengths - 1]
        inside = _inside(lengths, states)[..., None]
        if self.readout == "mean":
            return (states * inside).sum(1) / lengths[:, None]
        return states.masked_fill(~inside, -torch.inf).amax(1)

    def states(
        self,
        cell: nn.Module,
        inputs: Float[Tensor, "batch time features"],
        lengths: Int[Tensor, " batch"],
    ) -> Float[Tensor, "batch time hidden"]:
        """Return a cell's state after each input.

        Raises:
            ConfigError: a user's cell returns something else.
        """
        if self.fused and isinstance(cell, TorchCell):
            return self.fused.all_states(cell, inputs, lengths)
        returned = cell(inputs, lengths)
        states: Tensor = returned[0] if isinstance(returned, tuple) else returned
        expected, shape = (*inputs.shape[:2], self.hidden_size), getattr(states, "shape", None)
        if shape != expected:
            found = type(states).__name__ if shape is None else [*shape]
            raise ConfigError(
                f"model.cell={self.cell} returns {found}. It must return states [batch, time, "
                f"hidden_size], here {[*expected]}."
            )
        return states

    def kernel_name(self, device: torch.device) -> str:
        """Return the name of the code that computes the cells on a device."""
        if self.fused:
            return "fused"
        cell = cell_class(self.cell)
        return cell.kernel_name(device) if issubclass(cell, TorchCell) else "torch"

    @staticmethod
    def beyond_fused(cell: str, readout: str) -> str:
        """Return why the fused kernel cannot compute a model with this cell and readout; "" if it
        can."""
        if not is_fused(cell):
            known = [name for name in cell_names() if is_fused(name)]
            return f"{cell_name(cell)}: it computes {', '.join(known)}"
        if readout not in ("last_token", "padded_end"):
            return f"protocol.readout={readout}"
        return ""

    @staticmethod
    def multiply_adds(
        cell: str, embedding_dim: int, hidden_size: int, num_layers: int, bidirectional: bool
    ) -> int:
        """Return the multiply-adds of all cells for a token, forward."""
        directions = 2 if bidirectional else 1
        sizes = input_sizes(embedding_dim, hidden_size, num_layers, directions)
        return directions * sum(multiply_adds(cell, size, hidden_size) for size in sizes)


def reversed_articles(
    values: Float[Tensor, "batch time features"], lengths: Int[Tensor, " batch"]
) -> Float[Tensor, "batch time features"]:
    """Return each article reversed within its own length; padding stays where it is."""
    steps = torch.arange(values.shape[1], device=values.device)
    order = torch.where(_inside(lengths, values), lengths[:, None] - 1 - steps, steps)
    return values.gather(1, order[..., None].expand_as(values))


def _pairs(layer: nn.ModuleList, inputs: Tensor, lengths: Tensor) -> list[tuple[nn.Module, Tensor]]:
    """Return a layer's cells, forward and backward, each with the inputs in its reading order."""
    if len(layer) == 1:
        return [(layer[0], inputs)]
    return [(layer[0], inputs), (layer[1], reversed_articles(inputs, lengths))]


def _inside(lengths: Tensor, states: Tensor) -> Tensor:
    """Return whether each step is a token of its article, [batch, time]."""
    return torch.arange(states.shape[1], device=states.device) < lengths[:, None]


def input_sizes(
    embedding_dim: int, hidden_size: int, num_layers: int, directions: int
) -> list[int]:
    """Return the input size of each layer."""
    return [embedding_dim, *[directions * hidden_size] * (num_layers - 1)]

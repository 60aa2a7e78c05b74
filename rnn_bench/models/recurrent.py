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
from rnn_bench.models.kernels.library import Readout
from rnn_bench.models.precision import linear
from rnn_bench.models.torch_cell import TorchCell

BACKWARDS = (False, True)  # of a layer's first and second cell
FUSED_READOUTS = {  # with padded_end, all articles are as long as the batch
    "last_token": Readout.LAST,
    "padded_end": Readout.LAST,
    "mean": Readout.MEAN,
    "max": Readout.MAX,
}


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
        return linear(self.output, self.dropout(self.read(tokens, lengths)))

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
            # On [time, batch, hidden], so that dropout draws as between torch's own layers.
            both = [
                self.states(cell, inputs, lengths, backwards).transpose(0, 1)
                for cell, backwards in zip(layer, BACKWARDS, strict=False)
            ]
            inputs = self.dropout(torch.cat(both, 2)).transpose(0, 1)
        read = [
            self.read_out(cell, inputs, lengths, backwards)
            for cell, backwards in zip(last, BACKWARDS, strict=False)
        ]
        return torch.cat(read, 1)

    def read_out(
        self,
        cell: nn.Module,
        inputs: Float[Tensor, "batch time features"],
        lengths: Int[Tensor, " batch"],
        backwards: bool,
    ) -> Float[Tensor, "batch hidden"]:
        """Return the readout of one cell, which reads forwards or backwards."""
        if self.fused and isinstance(cell, TorchCell):
            return self.fused.read_out(
                cell, inputs, lengths, FUSED_READOUTS[self.readout], backwards
            )
        states = self._in_reading_order(cell, inputs, lengths, backwards)
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
        backwards: bool,
    ) -> Float[Tensor, "batch time hidden"]:
        """Return a cell's state after it read each input."""
        if self.fused and isinstance(cell, TorchCell):
            return self.fused.all_states(cell, inputs, lengths, backwards)
        states = self._in_reading_order(cell, inputs, lengths, backwards)
        return reversed_articles(states, lengths) if backwards else states

    def _in_reading_order(
        self, cell: nn.Module, inputs: Tensor, lengths: Tensor, backwards: bool
    ) -> Tensor:
        """Return a cell's states in the order in which it reads, the first step first.

        Raises:
            ConfigError: a user's cell returns something else.
        """
        returned = cell(reversed_articles(inputs, lengths) if backwards else inputs, lengths)
        states: Tensor = returned[0] if isinstance(returned, tuple) else returned
        expected, shape = (*inputs.shape[:2], self.hidden_size), getattr(states, "shape", None)
        if shape != expected:
            found = type(states).__name__ if shape is None else [*shape]
            raise ConfigError(
                f"model.cell={self.cell} returns {found}. It must return states [batch, time, "
                f"hidden_size], here {[*expected]}."
            )
        return states.to(inputs.dtype)  # which are bfloat16 where torch computes in it

    def kernel_name(self, device: torch.device, precision: str) -> str:
        """Return the name of the code that computes the cells on a device."""
        if self.fused:
            return "fused"
        cell = cell_class(self.cell)
        return cell.kernel_name(device, precision) if issubclass(cell, TorchCell) else "torch"

    @staticmethod
    def beyond_fused(cell: str) -> str:
        """Return why the fused kernel cannot compute a model with this cell; "" if it can."""
        if is_fused(cell):
            return ""
        known = [name for name in cell_names() if is_fused(name)]
        return f"{cell_name(cell)}: it computes {', '.join(known)}"

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


def _inside(lengths: Tensor, states: Tensor) -> Tensor:
    """Return whether each step is a token of its article, [batch, time]."""
    return torch.arange(states.shape[1], device=states.device) < lengths[:, None]


def input_sizes(
    embedding_dim: int, hidden_size: int, num_layers: int, directions: int
) -> list[int]:
    """Return the input size of each layer."""
    return [embedding_dim, *[directions * hidden_size] * (num_layers - 1)]

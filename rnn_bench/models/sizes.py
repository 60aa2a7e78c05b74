"""Choose the hidden size at which a cell has a given number of recurrent parameters.

The recurrent parameters of a network are the weights and biases of all its cells: those of torch's
LSTM from 100 to 128 numbers are 4 x 128 x (100 + 128 + 2) = 117,760.
"""

from bisect import bisect_left
from functools import cache, partial

import torch
from torch import nn

from rnn_bench.config.errors import ConfigError, describe
from rnn_bench.config.model import SIZE, cell_name
from rnn_bench.models.cell import cell_class
from rnn_bench.models.recurrent import input_sizes


@cache
def equal_hidden_size(
    cell: str, embedding_dim: int, num_layers: int, bidirectional: bool, parameters: int
) -> int:
    """Return the hidden size whose recurrent parameters are nearest to a number, of two the
    smaller.

    Raises:
        ConfigError: every size has more, or fewer, or the cell cannot be made.
    """
    count = partial(recurrent_parameters, cell, embedding_dim, num_layers, bidirectional)
    largest = 1
    while count(largest) < parameters and SIZE.accepts(2 * largest):
        largest *= 2
    for size, sign in ((1, 1), (largest, -1)):
        if sign * count(size) > sign * parameters:
            raise ConfigError(
                f"protocol.parameters={parameters} is not possible with {cell_name(cell)}: with "
                f"model.hidden_size={size} it has {count(size)}."
            )
    above = 1 + bisect_left(range(1, largest + 1), parameters, key=count)
    return min(range(max(1, above - 1), above + 1), key=lambda size: abs(count(size) - parameters))


@cache
def recurrent_parameters(
    cell: str, embedding_dim: int, num_layers: int, bidirectional: bool, hidden_size: int
) -> int:
    """Return the number of weights and biases of all cells of a network.

    Raises:
        ConfigError: the cell cannot be made.
    """
    directions = 2 if bidirectional else 1
    sizes = input_sizes(embedding_dim, hidden_size, num_layers, directions)
    try:
        return directions * sum(count_parameters(cell, size, hidden_size) for size in sizes)
    except Exception as error:  # of a user's cell
        raise ConfigError(
            f"protocol.parameters is not possible with model.cell={cell}, which cannot be made "
            f"with hidden_size={hidden_size} to be counted: {describe(error)}"
        ) from error


@cache
def count_parameters(cell: str, input_size: int, hidden_size: int) -> int:
    """Return the number of weights and biases of one cell, which draws no random numbers."""
    make = cell_class(cell)
    with torch.random.fork_rng(devices=[]):
        try:
            with torch.device("meta"):  # which needs no memory
                made: nn.Module = make(input_size, hidden_size)
        except Exception:  # a user's cell that reads its weights when it is made
            made = make(input_size, hidden_size)
    return sum(weight.numel() for weight in made.parameters())

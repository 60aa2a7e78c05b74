"""How strongly the loss depends on the hidden state at each step back from an article's end.

The norm of d loss / d h_t falls or grows exponentially with the steps that lie between the state
and the loss where gradients vanish or explode (Bengio, Simard and Frasconi 1994, "Learning
long-term dependencies with gradient descent is difficult"; Pascanu, Mikolov and Bengio 2013, "On
the difficulty of training recurrent neural networks", equations 3 to 5).
"""

import math
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor, nn

from rnn_bench.config.options import target_of
from rnn_bench.config.protocol import Protocol
from rnn_bench.data.batches import Batch, batches, reading_order
from rnn_bench.data.encoding import Split
from rnn_bench.models.recurrent import RecurrentClassifier

MOST_ARTICLES = 1024  # of the test split; seconds on a CPU at 512 tokens each
BATCH_SIZE = 32
REACH = 0.01  # of the norm at the last token
STEPS: dict[type[nn.RNNBase], Callable[..., Any]] = {
    nn.RNN: torch.rnn_tanh_cell,
    nn.LSTM: torch.lstm_cell,
    nn.GRU: torch.gru_cell,
}


def has_hidden_states(option: Any) -> bool:
    """Whether an option of the model group is a network whose recurrence is unrolled here."""
    return target_of(option) is RecurrentClassifier


def gradient_flow(
    initial: RecurrentClassifier,
    trained: RecurrentClassifier,
    split: Split,
    protocol: Protocol,
    on_batch: Callable[[int, int], None],
) -> pd.DataFrame:
    """Mean gradient norms with the initial and the trained weights.

    Up to MOST_ARTICLES articles are read, or whole batches of about as many. `on_batch(done,
    total)` is called before each batch.

    Returns:
        `steps_back` from 0, the article's own last token; `articles` with so many tokens, over
        which the means are taken (in row 0: all that are read); `initial` and `trained`, the
        means of the norms.
    """
    lengths = split.lengths.cpu().numpy()
    order = drawn_batches(lengths, protocol)
    longest = int(lengths[np.concatenate(order)].max())
    done, columns = 0, dict[str, NDArray[np.float64]]()
    for name, model in (("initial", initial), ("trained", trained)):
        model = followed(model)
        sums = torch.zeros(longest, dtype=torch.double)
        articles = torch.zeros(longest, dtype=torch.long)
        for batch in batches(split.to(model.output.weight.device), lengths, order):
            on_batch(done, 2 * len(order))
            done += 1
            time = batch.tokens.shape[1]
            sums[:time] += gradient_norms(model, batch).sum(0).cpu()
            articles[:time] += (torch.arange(time) < batch.lengths.cpu()[:, None]).sum(0)
        columns[name] = (sums / articles).numpy()
    steps = {"steps_back": np.arange(longest), "articles": articles.numpy()}
    return pd.DataFrame({**steps, **columns})


def drawn_batches(lengths: NDArray[np.int64], protocol: Protocol) -> list[NDArray[np.int64]]:
    """The articles to read: evenly drawn from the split, in batches of similar lengths. With
    `padded_end` the padding is part of the result, so it is whole batches, as test reads them."""
    if protocol.readout == "padded_end":
        order = reading_order(lengths, protocol.batch_size, by_length=False)
        most = max(1, MOST_ARTICLES // protocol.batch_size)
        return [order[place] for place in _evenly(len(order), most)]
    articles = _evenly(len(lengths), MOST_ARTICLES)
    return [articles[batch] for batch in reading_order(lengths[articles], BATCH_SIZE, True)]


def _evenly(count: int, most: int) -> NDArray[np.int64]:
    return np.linspace(0, count - 1, min(count, most)).round().astype(np.int64)


def followed(model: RecurrentClassifier) -> RecurrentClassifier:
    """A copy without dropout or gradients of its weights, in double precision: what halves at
    each of 512 steps ends below the smallest single-precision number."""
    copy = deepcopy(model).eval().requires_grad_(False)
    if copy.output.weight.device.type == "mps":  # which has no double precision
        copy.cpu()
    return copy.double()


def gradient_norms(model: RecurrentClassifier, batch: Batch) -> Float[Tensor, "batch time"]:
    """Of each article, the Euclidean norms of d loss / d h_t at 0, 1, ... steps back from its own
    last token; 0 beyond its first. The loss is the article's cross-entropy in nats.

    h_t holds the hidden states of every layer at step t, of the forward direction where there are
    two, and for the LSTM not the cell state. The derivative is the total one that
    backpropagation through time gives: it counts all that later steps, higher layers and the
    other direction make of a state. What `padded_end` carries across the padding is therefore
    counted, though steps are counted from the last token.

    `model` is in evaluation mode, without gradients of its weights.
    """
    logits, hidden = unrolled(model, batch)
    loss = F.cross_entropy(logits, batch.labels, reduction="sum")  # each article's gradient alone
    gradients = torch.autograd.grad(loss, [state for layer in hidden for state in layer])
    by_layer = torch.stack(gradients).unflatten(0, (len(hidden), -1))
    norms = vector_norms(by_layer).T
    places = batch.lengths[:, None] - 1 - torch.arange(norms.shape[1], device=norms.device)
    return norms.gather(1, places.clamp(min=0)).masked_fill(places < 0, 0.0)


def vector_norms(
    gradients: Float[Tensor, "layers time batch hidden"],
) -> Float[Tensor, "time batch"]:
    """Euclidean norms, scaled so that no square falls below the smallest number."""
    largest = gradients.abs().amax((0, 3), keepdim=True)
    scale = torch.where((largest > 0) & (largest < torch.inf), largest, 1.0)
    scaled: Tensor = torch.linalg.vector_norm(gradients / scale, dim=(0, 3))
    return scaled * scale[0, :, :, 0]


def unrolled(
    model: RecurrentClassifier, batch: Batch
) -> tuple[Float[Tensor, "batch classes"], list[list[Float[Tensor, "batch hidden"]]]]:
    """The model's logits, and layer by layer the forward direction's hidden state after each
    step, as nodes of their graph."""
    recurrent, lengths = model.recurrent, batch.lengths
    directions = 2 if recurrent.bidirectional else 1
    padding = torch.arange(batch.tokens.shape[1], device=lengths.device) >= lengths[:, None]
    skipped = padding if model.packs else torch.zeros_like(padding)
    states, hidden = model.embedding(batch.tokens), list[list[Tensor]]()
    for layer in range(recurrent.num_layers):
        weights = recurrent.all_weights[directions * layer :]
        hidden.append(layer_states(recurrent, weights[0], states))
        both = [torch.stack(hidden[-1], 1)]
        if recurrent.bidirectional:
            backward = layer_states(recurrent, weights[1], states.flip(1), skipped.flip(1))
            both.append(torch.stack(backward, 1).flip(1))
        states = torch.cat(both, 2)
    return model.output(model.read_out(states, lengths)), hidden


def layer_states(
    recurrent: nn.RNNBase,
    weights: Sequence[Tensor],
    inputs: Float[Tensor, "batch time features"],
    skipped: Bool[Tensor, "batch time"] | None = None,
) -> list[Float[Tensor, "batch hidden"]]:
    """The hidden state after each step of one layer in one direction; it stays zero through the
    `skipped` steps that come before an article's own.

    `weights` are the layer's input and hidden weights and biases, as torch's modules have them.
    """
    step, is_lstm = STEPS[type(recurrent)], isinstance(recurrent, nn.LSTM)
    cell = inputs.new_zeros(len(inputs), recurrent.hidden_size)
    hidden = cell.clone().requires_grad_()  # so that the states are nodes though weights are not
    states = []
    for time, features in enumerate(inputs.unbind(1)):
        if is_lstm:
            hidden, cell = step(features, (hidden, cell), *weights)
        else:
            hidden = step(features, hidden, *weights)
        if skipped is not None:
            out = skipped[:, time, None]
            hidden, cell = hidden.masked_fill(out, 0.0), cell.masked_fill(out, 0.0)
        states.append(hidden)
    return states


def reach(norms: NDArray[np.float64]) -> float:
    """How many steps back the mean norm first falls below a hundredth of that at the last token;
    the number of steps if it never does; not a number where a norm is not finite, or there is no
    gradient at the last token."""
    if norms[0] == 0 or not np.isfinite(norms).all():
        return math.nan
    below = np.flatnonzero(norms < REACH * norms[0])
    return float(below[0]) if len(below) else float(len(norms))

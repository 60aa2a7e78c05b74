"""Measure how strongly the loss depends on the hidden state at each step back from the end.

The norm of d loss / d h_t falls or grows exponentially with the steps that lie between the state
and the loss where gradients vanish or explode (Bengio, Simard and Frasconi 1994, "Learning
long-term dependencies with gradient descent is difficult"; Pascanu, Mikolov and Bengio 2013, "On
the difficulty of training recurrent neural networks", equations 3 to 5).
"""

import math
from collections.abc import Callable
from contextlib import ExitStack
from copy import deepcopy
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, Node

from rnn_bench.config.model import cell_name
from rnn_bench.config.options import build, target_of
from rnn_bench.config.protocol import Protocol
from rnn_bench.data.batches import Batch, batches, reading_order
from rnn_bench.data.corpus import DataError
from rnn_bench.data.csv_files import read_csv, require_columns
from rnn_bench.data.encoding import Split
from rnn_bench.models.recurrent import RecurrentClassifier
from rnn_bench.models.torch_cell import TorchCell

MOST_ARTICLES = 1024  # of the test split; seconds on a CPU at 512 tokens each
BATCH_SIZE = 32
REACH = 0.01  # of the norm at the last token
# Nodes of the graph that rearrange or copy stacked states.
REARRANGING = ("TransposeBackward0", "PermuteBackward0", "CloneBackward0")


class NotFollowed(Exception):
    """The gradients of a cell's states cannot be separated by step. The message says why."""


def reason_not_followed(option: Any) -> str:
    """Return why an option of the model group has no gradient flow; "" if it has one.

    A small model of it is built and tried.
    """
    if target_of(option) is not RecurrentClassifier:
        return "has no hidden states whose gradients could be followed"
    with torch.random.fork_rng(devices=[]):  # the trial draws weights
        model = build(option, vocabulary_size=2, classes=2, readout="last_token")
    tokens, lengths = torch.ones(2, 3, dtype=torch.int32), torch.tensor([3, 2])
    try:
        gradient_norms(followed(model), Batch(tokens, lengths, torch.tensor([0, 1])))
    except (NotFollowed, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        return f"has no gradient flow: {cell_name(model.cell)} {reason}"
    return ""


def gradient_flow(
    initial: RecurrentClassifier,
    trained: RecurrentClassifier,
    split: Split,
    protocol: Protocol,
    on_batch: Callable[[int, int], None],
) -> pd.DataFrame:
    """Compute the mean gradient norms with the initial and the trained weights.

    Reads up to MOST_ARTICLES articles, or whole batches of about as many. Calls `on_batch(done,
    total)` before each batch.

    Returns:
        `steps_back` from 0, the article's own last token; `articles`, the number of articles with
        more tokens than that, over which the means are taken; `initial` and `trained`, the means
        of the norms.
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


def read_gradient_flow(path: Path) -> pd.DataFrame:
    """Return the table in a run's `gradient_flow.csv`.

    Raises:
        DataError: the file is not a run's gradient flow.
    """
    table = require_columns(read_csv(path), path, ("steps_back", "initial", "trained"))
    try:
        return table.astype(float)
    except ValueError as error:
        raise DataError(f"{path} has a cell that is not a number: {error}.") from None


def drawn_batches(lengths: NDArray[np.int64], protocol: Protocol) -> list[NDArray[np.int64]]:
    """Return the batches of articles to read: articles evenly from the split, in batches of similar
    lengths, or with `padded_end`, where padding is part of the result, whole batches of the
    test."""
    if protocol.readout == "padded_end":
        order = reading_order(lengths, protocol.batch_size, by_length=False)
        most = max(1, MOST_ARTICLES // protocol.batch_size)
        return [order[index] for index in _evenly(len(order), most)]
    articles = _evenly(len(lengths), MOST_ARTICLES)
    return [articles[batch] for batch in reading_order(lengths[articles], BATCH_SIZE, True)]


def _evenly(count: int, most: int) -> NDArray[np.int64]:
    return np.linspace(0, count - 1, min(count, most)).round().astype(np.int64)


def followed(model: RecurrentClassifier) -> RecurrentClassifier:
    """Return a copy of a model for `gradient_norms`: without dropout, without gradients of its
    weights, with torch's cells computed step by step, and in double precision, because a gradient
    that halves at each of 512 steps ends below the smallest single-precision number."""
    copy = deepcopy(model).eval().requires_grad_(False)
    copy.fused = None
    for module in copy.modules():
        if isinstance(module, TorchCell):
            module.by_steps = True
    if copy.output.weight.device.type == "mps":  # which has no double precision
        copy.cpu()
    return copy.double()


def gradient_norms(model: RecurrentClassifier, batch: Batch) -> Float[Tensor, "batch time"]:
    """Return each article's Euclidean norms of d loss / d h_t at 0, 1, ... steps back from its own
    last token; 0 beyond its first. The loss is the article's cross-entropy in nats.

    h_t holds the hidden states of every layer at step t, of the forward direction where there are
    two, and for the LSTM not the cell state. The derivative is the total one that
    backpropagation through time gives: it counts the effect of a state through later steps,
    higher layers and the other direction. With `padded_end` it therefore counts the effect through
    the padding, though steps are counted from the last token.

    `model` is as `followed` returns it.

    Raises:
        NotFollowed: its cell computes the states of all steps at once.
    """
    logits, layers = unrolled(model, batch)
    loss = F.cross_entropy(logits, batch.labels, reduction="sum")  # each article's gradient alone
    gradients = torch.autograd.grad(loss, [state for layer in layers for state in layer])
    if gradients[0].shape != (len(batch.labels), model.hidden_size):
        raise NotFollowed("does not stack a state [batch, hidden_size] for each step.")
    norms = vector_norms(torch.stack(gradients).unflatten(0, (len(layers), -1))).T
    steps = batch.lengths[:, None] - 1 - torch.arange(norms.shape[1], device=norms.device)
    return norms.gather(1, steps.clamp(min=0)).masked_fill(steps < 0, 0.0)


def vector_norms(
    gradients: Float[Tensor, "layers time batch hidden"],
) -> Float[Tensor, "time batch"]:
    """Return Euclidean norms, scaled so that no square falls below the smallest number."""
    largest = gradients.abs().amax((0, 3), keepdim=True)
    scale = torch.where((largest > 0) & (largest < torch.inf), largest, 1.0)
    scaled: Tensor = torch.linalg.vector_norm(gradients / scale, dim=(0, 3))
    return scaled * scale[0, :, :, 0]


def unrolled(
    model: RecurrentClassifier, batch: Batch
) -> tuple[Float[Tensor, "batch classes"], list[list[GradientEdge]]]:
    """Return the model's logits, and for each layer the place in their graph of the forward
    direction's state after each step.

    Raises:
        NotFollowed: the cell computes the states of all steps at once.
    """
    layers: list[list[GradientEdge]] = []

    def keep_steps(module: nn.Module, inputs: Any, returned: Any) -> None:
        states = returned[0] if isinstance(returned, tuple) else returned
        layers.append(edges_of_steps(states))

    def start_graph(module: nn.Module, inputs: Any, embedded: Tensor) -> None:
        embedded.requires_grad_()  # for the weights have no gradients

    with ExitStack() as hooks:
        hooks.enter_context(model.embedding.register_forward_hook(start_graph))
        for layer in cast(list[nn.ModuleList], [*model.layers]):
            hooks.enter_context(layer[0].register_forward_hook(keep_steps))
        logits: Tensor = model(batch.tokens, batch.lengths)
    return logits, layers


def edges_of_steps(states: Float[Tensor, "batch time hidden"]) -> list[GradientEdge]:
    """Return the place in the graph of each step's state, which `torch.stack` joined to `states`.

    Raises:
        NotFollowed: `torch.stack` did not make them.
    """
    node = states.grad_fn
    while node is not None and node.name() in REARRANGING:
        node = node.next_functions[0][0]
    steps = node.next_functions if node is not None and node.name() == "StackBackward0" else ()
    if len(steps) != states.shape[1] or any(step is None for step, _ in steps):
        raise NotFollowed("does not compute a state for each step and torch.stack them.")
    return [GradientEdge(cast(Node, step), output) for step, output in steps]


def reach(norms: NDArray[np.float64]) -> float:
    """Return how many steps back the mean norm first falls below a hundredth of that at the last
    token; the number of steps if it never does; NaN if a norm is not finite, or that at the last
    token is 0."""
    if norms[0] == 0 or not np.isfinite(norms).all():
        return math.nan
    below = np.flatnonzero(norms < REACH * norms[0])
    return float(below[0]) if len(below) else float(len(norms))

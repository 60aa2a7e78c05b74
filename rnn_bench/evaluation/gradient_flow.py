"""Measure how strongly the loss depends on each step back from the end: on the input and the state.

The norm of d loss / d x_t, by the embedded token, and that of the loss by the whole state fall or
grow exponentially with the steps that lie between them and the loss where gradients vanish or
explode (Bengio, Simard and Frasconi 1994, "Learning long-term dependencies with gradient descent is
difficult"; Pascanu, Mikolov and Bengio 2013, "On the difficulty of training recurrent neural
networks", equations 3 to 5). They say how far a gradient is attenuated, and not what a network can
learn.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from copy import deepcopy
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge

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
INITIAL, TRAINED = "initial", "trained"
BY_INPUT, BY_STATE = "input", "state"
NO_STEPS = (
    "the cell does not torch.stack its states, and its memory if it returns one, step by step"
)
# Nodes of the graph that rearrange or copy stacked states.
REARRANGING = ("TransposeBackward0", "PermuteBackward0", "CloneBackward0")


def reason_not_followed(option: Any) -> str:
    """Return why an option of the model group has no gradient flow; "" if it has one, be it by
    input alone.

    A small model of it is built and tried.
    """
    if target_of(option) is not RecurrentClassifier:
        return "has no steps whose gradients could be followed"
    with torch.random.fork_rng(devices=[]):  # the trial draws weights
        model = build(option, vocabulary_size=2, classes=2, readout="last_token")
    tokens, lengths = torch.ones(2, 3, dtype=torch.int32), torch.tensor([3, 2])
    try:
        gradient_norms(followed(model), Batch(tokens, lengths, torch.tensor([0, 1])))
    except RuntimeError as error:
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
        more tokens than that, over which the means are taken; `initial_input`, `trained_input`,
        `initial_state` and `trained_state`, the means of the norms. A cell whose states cannot be
        followed lacks the last two.
    """
    lengths = split.lengths.cpu().numpy()
    order = drawn_batches(lengths, protocol)
    longest = int(lengths[np.concatenate(order)].max())
    articles = (np.arange(longest) < lengths[np.concatenate(order)][:, None]).sum(0)
    done, sums = 0, dict[str, NDArray[np.float64]]()
    for when, model in ((INITIAL, initial), (TRAINED, trained)):
        model = followed(model)
        for batch in batches(split.to(model.output.weight.device), lengths, order):
            on_batch(done, 2 * len(order))
            done += 1
            for by, norms in gradient_norms(model, batch).items():
                total = sums.setdefault(f"{when}_{by}", np.zeros(longest))
                total[: norms.shape[1]] += norms.sum(0).cpu().numpy()
    steps = {"steps_back": np.arange(longest), "articles": articles}
    return pd.DataFrame({**steps, **{name: total / articles for name, total in sums.items()}})


def read_gradient_flow(path: Path) -> pd.DataFrame:
    """Return the table in a run's `gradient_flow.csv`.

    Raises:
        DataError: the file is not a run's gradient flow.
    """
    columns = ("steps_back", *(f"{when}_{BY_INPUT}" for when in (INITIAL, TRAINED)))
    table = require_columns(read_csv(path), path, columns)
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


def gradient_norms(
    model: RecurrentClassifier, batch: Batch
) -> dict[str, Float[Tensor, "batch time"]]:
    """Return each article's Euclidean norms of the derivative of its loss, its cross-entropy in
    nats, at 0, 1, ... steps back from its own last token; 0 beyond its first.

    By `input` it is d loss / d x_t, x_t being the embedded token. By `state`, which is there if all
    layers' states can be followed, it is the derivative by what each layer of the forward direction
    hands on from step t: h_t, and c_t of a cell with a memory. Both are as the next step, the
    readout and the next layer read them, so each is varied while the other is held: that h_t is
    computed from c_t within step t does not count for c_t, since h_t is there itself.

    Derivatives are the total ones that backpropagation through time gives: they count the effect
    through later steps, higher layers and both directions. With `padded_end` they therefore count
    the effect through the padding, though steps are counted from the last token.

    `model` is as `followed` returns it.
    """
    logits, embedded, layers = unrolled(model, batch)
    loss = F.cross_entropy(logits, batch.labels, reduction="sum")  # each article's gradient alone
    steps = [step for layer in layers for step in layer] if all(layers) else []
    edges = [get_gradient_edge(embedded), *(edge for step in steps for edge in step)]
    by_input, *parts = torch.autograd.grad(loss, edges, retain_graph=True, allow_unused=True)
    gradients = {BY_INPUT: by_input}
    shapes = {part.shape for part in parts if part is not None}
    if shapes == {(len(batch.labels), model.hidden_size)}:
        found = iter(parts)
        states = [torch.cat(handed_on(step, [*islice(found, len(step))]), 1) for step in steps]
        of_layers = torch.stack(states).unflatten(0, (len(layers), -1))
        gradients[BY_STATE] = of_layers.permute(2, 1, 0, 3).flatten(2)
    steps_back = batch.lengths[:, None] - 1 - torch.arange(by_input.shape[1], device=loss.device)
    return {
        by: vector_norms(each).gather(1, steps_back.clamp(min=0)).masked_fill(steps_back < 0, 0.0)
        for by, each in gradients.items()
    }


def handed_on(
    step: Sequence[GradientEdge], gradients: Sequence[Tensor | None]
) -> list[Float[Tensor, "batch hidden"]]:
    """Return the derivatives by the h, and the c if there is one, of a step, each while the other
    is held. Those that autograd gives count that one of the two is computed from the other."""
    of_hidden = cast(Tensor, gradients[0])
    if len(step) == 1:
        return [of_hidden]
    of_memory = torch.zeros_like(of_hidden) if gradients[1] is None else gradients[1]
    hidden, memory = step
    ask = partial(torch.autograd.grad, retain_graph=True, allow_unused=True)
    (through_hidden,) = ask(hidden, memory, of_hidden)
    if through_hidden is not None:
        return [of_hidden, of_memory - through_hidden]
    (through_memory,) = ask(memory, hidden, of_memory)
    return [of_hidden if through_memory is None else of_hidden - through_memory, of_memory]


def vector_norms(
    gradients: Float[Tensor, "batch time features"],
) -> Float[Tensor, "batch time"]:
    """Return Euclidean norms, scaled so that no square falls below the smallest number."""
    largest = gradients.abs().amax(2, keepdim=True)
    scale = torch.where((largest > 0) & (largest < torch.inf), largest, 1.0)
    scaled: Tensor = torch.linalg.vector_norm(gradients / scale, dim=2)
    return scaled * scale[..., 0]


def unrolled(
    model: RecurrentClassifier, batch: Batch
) -> tuple[
    Float[Tensor, "batch classes"],
    Float[Tensor, "batch time features"],
    list[list[tuple[GradientEdge, ...]]],
]:
    """Return the model's logits, the embedded tokens, and for each layer the places in the graph of
    the forward direction's h, and c if there is one, after each step; no places of a layer whose
    cell does not compute them step by step."""
    embedded: list[Tensor] = []
    layers: list[list[tuple[GradientEdge, ...]]] = []

    def start_graph(module: nn.Module, inputs: Any, output: Tensor) -> None:
        embedded.append(output.requires_grad_())  # for the weights have no gradients

    def keep_steps(module: nn.Module, inputs: Any, returned: Any) -> None:
        state = returned if isinstance(returned, tuple) else (returned,)
        time = inputs[0].shape[1]
        parts = [edges_of_steps(part, time) for part in state if not is_constant(part)]
        found = len(parts) <= 2 and all(parts)
        layers.append([*zip(*parts, strict=True)] if found else [])

    with ExitStack() as hooks:
        hooks.enter_context(model.embedding.register_forward_hook(start_graph))
        for layer in cast(list[nn.ModuleList], [*model.layers]):
            hooks.enter_context(layer[0].register_forward_hook(keep_steps))
        logits: Tensor = model(batch.tokens, batch.lengths)
    return logits, embedded[0], layers


def is_constant(part: Any) -> bool:
    """Return whether a part of what a cell returns is the same whatever it read."""
    return isinstance(part, Tensor) and not part.requires_grad


def edges_of_steps(part: Any, time: int) -> list[GradientEdge]:
    """Return the place in the graph of each step's state, which `torch.stack` joined to a tensor;
    none if it did not."""
    node = getattr(part, "grad_fn", None)
    while node is not None and node.name() in REARRANGING:
        node = node.next_functions[0][0]
    steps = node.next_functions if node is not None and node.name() == "StackBackward0" else ()
    if len(steps) != time or any(step is None for step, _ in steps):
        return []
    return [GradientEdge(step, output) for step, output in steps]


def reach(norms: NDArray[np.float64]) -> float:
    """Return how many steps back the mean norm first falls below a hundredth of that at the last
    token; the number of steps if it never does; NaN if a norm is not finite, or that at the last
    token is 0."""
    if norms[0] == 0 or not np.isfinite(norms).all():
        return math.nan
    below = np.flatnonzero(norms < REACH * norms[0])
    return float(below[0]) if len(below) else float(len(norms))

"""Build the model of a config, before training."""

import logging
from typing import Any, cast

import torch
from torch import nn

from rnn_bench.config.model import cell_name
from rnn_bench.config.options import build
from rnn_bench.config.protocol import Protocol
from rnn_bench.config.schema import Config
from rnn_bench.data.encoding import EncodedCorpus
from rnn_bench.models.kernels.fused import FusedKernel
from rnn_bench.models.recurrent import RecurrentClassifier

log = logging.getLogger(__name__)


def initial_model(
    config: Config, corpus: EncodedCorpus, fused: FusedKernel | None = None
) -> nn.Module:
    """Return the config's model for a corpus, on the CPU, with initial weights drawn from the seed.

    A recurrent classifier gets the protocol's initial weights and dropout of embeddings, and
    computes its cells by `fused`, if that is given, and else by torch. A model of the user's own
    draws its weights itself.
    """
    torch.manual_seed(config.seed)
    model: nn.Module = build(
        config.model,
        vocabulary_size=len(corpus.vocabulary),
        classes=len(corpus.classes),
        readout=config.protocol.readout,
    )
    if isinstance(model, RecurrentClassifier):
        set_initial_weights(model, config.protocol)
        model.embedding_dropout = config.protocol.embedding_dropout
        model.fused = fused
    return model


@torch.no_grad()
def set_initial_weights(model: RecurrentClassifier, protocol: Protocol) -> None:
    """Turn the weights that torch drew for a recurrent classifier into the protocol's.

    Embeddings are torch's, scaled. What is drawn for cells is drawn after all of torch's weights,
    so that the other layers have the same ones under every protocol. A cell without the method
    `draw_orthogonal` or `set_forget_bias` keeps what it drew.
    """
    if protocol.embedding_std != 1:
        model.embedding.weight.mul_(protocol.embedding_std)
    layers = cast(list[list[Any]], [*model.layers])  # its cells may be of any class
    cells = [cell for layer in layers for cell in layer]
    for cell in cells:
        if protocol.recurrent_init == "orthogonal" and hasattr(cell, "draw_orthogonal"):
            cell.draw_orthogonal()
        if protocol.forget_bias is not None and hasattr(cell, "set_forget_bias"):
            cell.set_forget_bias(protocol.forget_bias)
    if protocol.recurrent_init == "orthogonal" and not hasattr(cells[0], "draw_orthogonal"):
        log.info(
            "%s keeps the weights that it draws itself: it has no draw_orthogonal() for "
            "protocol.recurrent_init=orthogonal.",
            cell_name(model.cell),
        )

"""Build the model of a config, before training."""

import torch
from torch import nn

from rnn_bench.config.options import build
from rnn_bench.config.schema import Config
from rnn_bench.data.encoding import EncodedCorpus
from rnn_bench.models.kernels.fused import FusedKernel
from rnn_bench.models.recurrent import RecurrentClassifier


def initial_model(
    config: Config, corpus: EncodedCorpus, fused: FusedKernel | None = None
) -> nn.Module:
    """Return the config's model for a corpus, on the CPU, with initial weights drawn from the seed.

    A recurrent classifier computes its cells by `fused`, if that is given, and else by torch.
    """
    torch.manual_seed(config.seed)
    model: nn.Module = build(
        config.model,
        vocabulary_size=len(corpus.vocabulary),
        classes=len(corpus.classes),
        readout=config.protocol.readout,
    )
    if fused and isinstance(model, RecurrentClassifier):
        model.fused = fused
    return model

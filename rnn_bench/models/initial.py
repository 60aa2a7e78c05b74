"""A model before training."""

import torch
from torch import nn

from rnn_bench.config.options import build
from rnn_bench.config.schemas import Config
from rnn_bench.data.encoding import EncodedCorpus
from rnn_bench.models.baselines import Baseline


def initial_model(config: Config, corpus: EncodedCorpus) -> nn.Module | Baseline:
    """The config's model for a corpus, on the CPU, with the weights that the seed decides."""
    torch.manual_seed(config.seed)
    model: nn.Module | Baseline = build(
        config.model,
        vocabulary_size=len(corpus.vocabulary),
        classes=len(corpus.classes),
        readout=config.protocol.readout,
    )
    return model

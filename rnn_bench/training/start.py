"""Start the training of a config's model: a network in epochs, a baseline by one fit."""

import logging

from torch import nn

from rnn_bench.config.options import entry
from rnn_bench.config.schema import Config
from rnn_bench.data.encoding import EncodedCorpus
from rnn_bench.models.baselines.baseline import Baseline, is_baseline
from rnn_bench.training.epochs import Training, budget_in_epochs
from rnn_bench.training.fitting import Fitting
from rnn_bench.training.graphs import reason_not_captured
from rnn_bench.training.optimizer import build_optimizer

log = logging.getLogger(__name__)


def planned_epochs(config: Config, corpus: EncodedCorpus) -> int:
    """Return how many epochs a run has if nothing stops it early: 1 for a baseline."""
    if is_baseline(config.model):
        return 1
    return budget_in_epochs(config.protocol, len(corpus.train))


def start_training(model: nn.Module, corpus: EncodedCorpus, config: Config) -> Training | Fitting:
    """Return the training of an initial model before its first epoch.

    A network is moved to the corpus's device.
    """
    if isinstance(model, Baseline):
        return Fitting(model, corpus, config.protocol)
    device, protocol = corpus.train.tokens.device, config.protocol
    model.to(device)
    optimizer = build_optimizer(config.optimizer, model)
    captures = device.type == "cuda" and entry(config.model, "graph") == "auto"
    if captures and (reason := reason_not_captured(model, optimizer, protocol)):
        log.info("Training steps are not captured as CUDA graphs: %s.", reason)
        captures = False
    return Training(model, optimizer, corpus, protocol, config.seed, captures)

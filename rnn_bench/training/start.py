"""Start the training of a config's model: a network in epochs, a baseline by one fit."""

from torch import nn

from rnn_bench.config.schema import Config
from rnn_bench.data.encoding import EncodedCorpus
from rnn_bench.models.baselines.baseline import Baseline, is_baseline
from rnn_bench.training.epochs import Training, budget_in_epochs
from rnn_bench.training.fitting import Fitting
from rnn_bench.training.optimizer import build_optimizer


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
    model.to(corpus.train.tokens.device)
    optimizer = build_optimizer(config.optimizer, model)
    return Training(model, optimizer, corpus, config.protocol, config.seed)

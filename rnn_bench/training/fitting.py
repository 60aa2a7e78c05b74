"""Fit a baseline, with a result like that of training for one epoch."""

import logging
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from rnn_bench.config.protocol import Protocol
from rnn_bench.data.encoding import EncodedCorpus
from rnn_bench.models.baselines.baseline import Baseline
from rnn_bench.training.epochs import EpochResult, OnBatch
from rnn_bench.training.prediction import mean_loss, penalty, predict, validate

log = logging.getLogger(__name__)


class Fitting:
    """Fits a baseline to the training split. `Training` has the same interface for networks.

    `corpus` must be on the CPU. `history` has one epoch as soon as the baseline is fitted.
    """

    def __init__(self, model: Baseline, corpus: EncodedCorpus, protocol: Protocol) -> None:
        self.model, self.corpus, self.protocol = model, corpus, protocol
        self.history: list[EpochResult] = []

    def epochs(self, on_batch: OnBatch) -> Iterator[EpochResult]:
        """Fit the baseline, unless it is fitted, call `on_batch(1, 1)`, and yield epoch 1."""
        if self.history:
            return
        train, protocol = self.corpus.train, self.protocol
        start = time.perf_counter()
        figures = self._fit_best()
        fitted = time.perf_counter()
        on_batch(1, 1)
        train_logits = predict(self.model, train, protocol)
        result = EpochResult(
            1,
            mean_loss(train_logits, train.labels, protocol),
            **figures,
            seconds=time.perf_counter() - start,
            training_seconds=fitted - start,
            ended_ms=int(time.time() * 1000),
            beats_constant=None,  # a baseline may be the constant
        )
        self.history.append(result)
        yield result

    def _fit_best(self) -> dict[str, float]:
        """Fit the model with the setting that is the best on the validation split, of equal ones
        the first; return its validation figures."""
        protocol, lowest, chosen = self.protocol, math.inf, ""
        best: dict[str, float] = {}
        settings = []
        for setting in self.model.fits(self.corpus.train, self.corpus.validation, protocol):
            figures = validate(self.model, self.corpus.validation, protocol)
            found = penalty(figures, protocol.select_by)
            settings.append(setting)
            if found < lowest or not best:
                lowest, chosen, best = found, setting, figures
                weights = {name: each.clone() for name, each in self.model.state_dict().items()}
        self.model.load_state_dict(weights)
        if len(settings) > 1:
            log.info("%s has the best %s of %s", chosen, protocol.select_by, ", ".join(settings))
        return best

    def state(self) -> dict[str, Any]:
        """Return what fitting changes, for a checkpoint: the fitted tensors and the history."""
        return {
            "model": self.model.state_dict(),
            "history": [asdict(result) for result in self.history],
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue from a `state`."""
        self.model.load_state_dict(state["model"])
        self.history = [EpochResult(**result) for result in state["history"]]

"""Fit a baseline, with a result like that of training for one epoch."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from rnn_bench.config.protocol import Protocol
from rnn_bench.data.encoding import EncodedCorpus
from rnn_bench.models.baselines.baseline import Baseline
from rnn_bench.training.epochs import EpochResult, OnBatch
from rnn_bench.training.prediction import accuracy, mean_loss, predict


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
        train, validation, protocol = self.corpus.train, self.corpus.validation, self.protocol
        start = time.perf_counter()
        self.model.fit(train)
        fitted = time.perf_counter()
        on_batch(1, 1)
        train_logits = predict(self.model, train, protocol)
        logits = predict(self.model, validation, protocol)
        result = EpochResult(
            1,
            mean_loss(train_logits, train.labels, protocol),
            mean_loss(logits, validation.labels, protocol),
            accuracy(logits, validation.labels),
            seconds=time.perf_counter() - start,
            training_seconds=fitted - start,
            ended_ms=int(time.time() * 1000),
        )
        self.history.append(result)
        yield result

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

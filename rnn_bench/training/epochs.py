"""The epoch loop: one result per epoch, and the weights that validation chooses at the end."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rnn_bench.config.schemas import Protocol
from rnn_bench.data.batches import batches, training_order
from rnn_bench.data.encoding import EncodedCorpus
from rnn_bench.models.baselines import Baseline
from rnn_bench.training.reading import accuracy, mean_loss, predict

OnBatch = Callable[[int, int], None]


@dataclass(frozen=True)
class EpochResult:
    """Losses are in nats; `seconds` are the epoch's, `training_seconds` those without
    validation."""

    epoch: int
    train_loss: float
    val_loss: float
    val_accuracy: float
    seconds: float
    training_seconds: float

    @property
    def diverged(self) -> bool:
        return not math.isfinite(self.train_loss)


class Stopping:
    """The epoch with the lowest validation loss, its weights, and when to stop."""

    def __init__(self, patience: int | None) -> None:
        self.patience = patience
        self.best_epoch = 0
        self.best_loss = math.inf
        self.best_weights: dict[str, Tensor] | None = None

    def observe(self, result: EpochResult, model: nn.Module) -> None:
        if result.val_loss < self.best_loss and not result.diverged:
            self.best_epoch, self.best_loss = result.epoch, result.val_loss
            self.best_weights = {name: value.clone() for name, value in model.state_dict().items()}

    def stops_after(self, result: EpochResult) -> bool:
        waited = result.epoch - self.best_epoch
        return result.diverged or (self.patience is not None and waited >= self.patience)


def train(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    corpus: EncodedCorpus,
    protocol: Protocol,
    seed: int,
    on_batch: OnBatch,
) -> Iterator[EpochResult]:
    """Train epoch by epoch; after the last one the model holds the weights to evaluate.

    It ends after `epochs`, when patience ends, or when the training loss is no longer finite.
    `corpus` lies on the model's device; `on_batch(done, total)` is called after each batch.
    """
    stopping = Stopping(protocol.patience)
    lengths = corpus.train.lengths.cpu().numpy()
    for epoch in range(1, protocol.epochs + 1):
        start = time.perf_counter()
        order = training_order(lengths, protocol.batch_size, protocol.batching, seed, epoch)
        total = torch.zeros((), device=corpus.train.tokens.device)
        model.train()
        for done, batch in enumerate(batches(corpus.train, lengths, order), start=1):
            loss = F.cross_entropy(model(batch.tokens, batch.lengths), batch.labels)
            optimizer.zero_grad()
            loss.backward()
            if protocol.gradient_clip_norm is not None:
                nn.utils.clip_grad_norm_(model.parameters(), protocol.gradient_clip_norm)
            optimizer.step()
            weight = len(batch.labels) if protocol.loss_average == "articles" else 1
            total += loss.detach() * weight
            on_batch(done, len(order))
        count = len(corpus.train) if protocol.loss_average == "articles" else len(order)
        train_loss = total.item() / count
        trained = time.perf_counter()
        logits = predict(model, corpus.validation, protocol)
        result = EpochResult(
            epoch,
            train_loss,
            mean_loss(logits, corpus.validation.labels, protocol),
            accuracy(logits, corpus.validation.labels),
            seconds=time.perf_counter() - start,
            training_seconds=trained - start,
        )
        stopping.observe(result, model)
        yield result
        if stopping.stops_after(result):
            break
    if protocol.evaluated_weights == "best" and stopping.best_weights is not None:
        model.load_state_dict(stopping.best_weights)


def fit(baseline: Baseline, corpus: EncodedCorpus, protocol: Protocol) -> Iterator[EpochResult]:
    """Fit a baseline: one result, as of one epoch."""
    start = time.perf_counter()
    baseline.fit(corpus.train)
    trained = time.perf_counter()
    logits = predict(baseline, corpus.train, protocol)
    val_logits = predict(baseline, corpus.validation, protocol)
    yield EpochResult(
        1,
        mean_loss(logits, corpus.train.labels, protocol),
        mean_loss(val_logits, corpus.validation.labels, protocol),
        accuracy(val_logits, corpus.validation.labels),
        seconds=time.perf_counter() - start,
        training_seconds=trained - start,
    )

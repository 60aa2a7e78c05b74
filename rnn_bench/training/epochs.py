"""Train a network epoch by epoch, with early stopping on the validation split."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from rnn_bench.config.protocol import EPOCHS, UPDATES, Protocol
from rnn_bench.data.batches import articles_of, gather, training_order
from rnn_bench.data.encoding import EncodedCorpus
from rnn_bench.models.precision import logits_in, products_in
from rnn_bench.training.averaging import MovingAverage
from rnn_bench.training.graphs import CapturedStep, Step, make_capturable, plain_state
from rnn_bench.training.learning import beats_constant
from rnn_bench.training.prediction import penalty, predict, validation_figures
from rnn_bench.training.schedule import Schedule

# Raised when the same model, articles and settings give other weights, losses or predictions:
# batches, loss, clipping, stopping, the order of evaluation, initial weights.
RECIPE_VERSION = 1

OnBatch = Callable[[int, int], None]  # given the number of the batch, and of all in the epoch


@dataclass(frozen=True)
class EpochResult:
    """The losses, accuracy and duration of an epoch; the first epoch is 1.

    Losses are mean cross-entropies in nats. `seconds` include validation, `training_seconds` don't.
    `ended_ms` is in milliseconds since 1970. `beats_constant` says of a network whether validation
    was better than a constant prediction by more than chance. `share` is below 1 where the time for
    training was over within the epoch: that of its articles that were trained on.

    In older checkpoints `val_macro_f1` is nan and `beats_constant` None.
    """

    epoch: int
    train_loss: float
    val_loss: float
    val_accuracy: float
    seconds: float
    training_seconds: float
    ended_ms: int
    val_macro_f1: float = math.nan
    beats_constant: bool | None = None
    share: float = 1.0

    @property
    def diverged(self) -> bool:
        """Whether the training loss is infinite or not a number."""
        return not math.isfinite(self.train_loss)

    def penalty(self, select_by: str) -> float:
        """Return a number that is lowest for the best epoch, and infinite for a useless one."""
        return math.inf if self.diverged else penalty(vars(self), select_by)


class Stopping:
    """Early stopping: keeps the weights of the best epoch, of equal ones the first.

    Training ends after `patience` epochs without a better one; None: never. With
    `patience_from=learning` only epochs count that follow the one in which the network began to
    learn.
    """

    def __init__(
        self, patience: int | None, select_by: str = "val_loss", patience_from: str = "start"
    ) -> None:
        self.patience, self.select_by, self.patience_from = patience, select_by, patience_from
        self.best_epoch = self.learned_epoch = 0
        self.lowest = math.inf
        self.best_weights: dict[str, Tensor] | None = None

    def observe(self, result: EpochResult, model: nn.Module) -> None:
        """Copy the model's weights if this epoch is the best so far, and note whether the network
        has begun to learn."""
        self.learned_epoch = self.learned_epoch or (result.epoch if result.beats_constant else 0)
        found = result.penalty(self.select_by)
        if found < self.lowest:
            self.best_epoch, self.lowest = result.epoch, found
            self.best_weights = {name: value.clone() for name, value in model.state_dict().items()}

    def stops_after(self, result: EpochResult) -> bool:
        """Return whether training ends after this epoch: it diverged, or patience is over."""
        if result.diverged or self.patience is None:
            return result.diverged
        if self.patience_from == "learning" and not self.learned_epoch:
            return False
        start = self.learned_epoch if self.patience_from == "learning" else 0
        return result.epoch - max(self.best_epoch, start) >= self.patience


class Training:
    """Trains a network in epochs. `Fitting` has the same interface for baselines.

    `corpus` must be on the model's device; with `captures`, a GPU on which steps are CUDA graphs.
    `history` has the epochs trained so far. A training
    that loads the `state` of another continues to bit-identical losses on the same machine, with
    the same threads and kernel.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        corpus: EncodedCorpus,
        protocol: Protocol,
        seed: int,
        captures: bool = False,
    ) -> None:
        self.model, self.optimizer = model, optimizer
        self.corpus, self.protocol, self.seed = corpus, protocol, seed
        self.device = corpus.train.tokens.device
        self.lengths = corpus.train.lengths.cpu().numpy()
        self.class_weights = class_weights(corpus, protocol)
        decay = protocol.ema_decay
        self.average = MovingAverage(model, decay) if decay else None
        self.budget = budget_in_epochs(protocol, len(corpus.train))
        self.updates = updates_an_epoch(protocol, len(corpus.train))
        self.schedule = Schedule(optimizer, protocol, self.budget * self.updates)
        self.stopping = Stopping(protocol.patience, protocol.select_by, protocol.patience_from)
        limit = protocol.train_seconds
        self.seconds = math.inf if limit is None else limit
        self.history: list[EpochResult] = []
        self.total = torch.zeros((), device=self.device)  # of the epoch's losses
        self.captures = captures
        self.step: Step = self._step
        if captures:
            make_capturable(optimizer, self.device)
            self.step = CapturedStep(self._step, protocol, self.device)

    def epochs(self, on_batch: OnBatch) -> Iterator[EpochResult]:
        """Train the remaining epochs and yield the result of each.

        Training ends after the budget of epochs, when patience or the time for training is over, or
        when the training loss is not finite. The model then has the weights to evaluate.
        `on_batch(done, total)` is called after each batch.
        """
        while not self.ended:
            result = self._epoch(len(self.history) + 1, on_batch)
            self.stopping.observe(result, self.evaluated)
            self.history.append(result)
            yield result
        if self.protocol.evaluated_weights == "best" and self.stopping.best_weights is not None:
            self.model.load_state_dict(self.stopping.best_weights)
        elif self.average:
            self.model.load_state_dict(self.evaluated.state_dict())

    @property
    def evaluated(self) -> nn.Module:
        """The network with the weights that validation and test see: the moving average, if there
        is one."""
        return self.average.module if self.average else self.model

    @property
    def ended(self) -> bool:
        """Whether there are no more epochs to train."""
        if not self.history:
            return False
        last = self.history[-1]
        return (
            last.epoch >= self.budget
            or self._seconds_left() <= 0
            or self.stopping.stops_after(last)
        )

    def _seconds_left(self) -> float:
        """Return the time that is left for training after the epochs so far."""
        return self.seconds - sum(result.training_seconds for result in self.history)

    def _epoch(self, epoch: int, on_batch: OnBatch) -> EpochResult:
        protocol, train, validation = self.protocol, self.corpus.train, self.corpus.validation
        seconds_left, start = self._seconds_left(), time.perf_counter()
        order = training_order(
            self.lengths, protocol.batch_size, protocol.batching, self.seed, epoch
        )
        self.total.zero_()
        articles = 0
        self.model.train()
        each_batch = articles_of(self.lengths, order, self.device)
        for done, (batch, longest) in enumerate(each_batch, start=1):
            left = seconds_left - (time.perf_counter() - start)
            time_spent = 0.0 if left == math.inf else 1 - left / self.seconds
            update = (epoch - 1) * self.updates + done - 1
            self.schedule.prepare(update, time_spent)
            if self.average:
                self.average.prepare(update)
            self.step(batch, longest)
            articles += len(batch)
            on_batch(done, len(order))
            if time.perf_counter() - start >= seconds_left:
                break
        train_loss = self.total.item() / (articles if protocol.loss_average == "articles" else done)
        trained = time.perf_counter()
        logits = predict(self.evaluated, validation, protocol)
        return EpochResult(
            epoch,
            train_loss,
            **validation_figures(logits, validation, protocol),
            beats_constant=beats_constant(logits, validation.labels, epoch, self.class_weights),
            share=articles / len(train),
            seconds=time.perf_counter() - start,
            training_seconds=trained - start,
            ended_ms=int(time.time() * 1000),
        )

    def _step(self, articles: Int[Tensor, " batch"], length: int) -> None:
        """Train on these articles, padded to a length, and add their loss to the total. All of it
        is computed on the device, which is not waited for."""
        protocol, batch = self.protocol, gather(self.corpus.train, articles, length)
        self.optimizer.zero_grad()
        with products_in(protocol.precision, self.device):
            logits = logits_in(protocol.precision, self.model, batch.tokens, batch.lengths)
            loss = F.cross_entropy(logits, batch.labels, self.class_weights)
            loss.backward()
        if protocol.gradient_clip_norm is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), protocol.gradient_clip_norm)
        self.optimizer.step()
        if self.average:
            self.average.update_parameters(self.model)
        self.total += loss.detach() * (len(articles) if protocol.loss_average == "articles" else 1)

    def state(self) -> dict[str, Any]:
        """Return all that training changes, for a checkpoint: weights, optimizer, random
        generators, best weights and history, as tensors, numbers and strings."""
        stopping, weights = self.stopping, self.model.state_dict()
        best_weights = stopping.best_weights
        if stopping.best_epoch == len(self.history):
            # They are equal, and torch.save writes a shared tensor only once.
            best_weights = self.evaluated.state_dict()
        return {
            "model": weights,
            "average": self.average.state_dict() if self.average else None,
            "optimizer": plain_state(self.optimizer, self.schedule.rates),
            "random": torch.get_rng_state(),
            "cuda_random": (
                torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None
            ),
            "best": (stopping.best_epoch, stopping.lowest, best_weights),
            "history": [asdict(result) for result in self.history],
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue from a `state`."""
        self.model.load_state_dict(state["model"])
        if self.average:
            self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.captures:
            make_capturable(self.optimizer, self.device)
        torch.set_rng_state(state["random"])
        if self.device.type == "cuda" and state["cuda_random"] is not None:
            torch.cuda.set_rng_state(state["cuda_random"], self.device)
        stopping = self.stopping
        stopping.best_epoch, stopping.lowest, stopping.best_weights = state["best"]
        self.history = [EpochResult(**result) for result in state["history"]]
        learned = (result.epoch for result in self.history if result.beats_constant)
        stopping.learned_epoch = next(learned, 0)


def budget_in_epochs(protocol: Protocol, articles: int) -> int:
    """Return how many epochs a network is trained if nothing stops it early: `protocol.epochs`, or
    as many as make `protocol.min_updates` optimizer updates on this number of training articles.
    Where `protocol.epochs` is empty, `EPOCHS` and `UPDATES` stand for both."""
    epochs, updates = protocol.epochs, protocol.min_updates or 0
    if epochs is None:
        epochs, updates = EPOCHS, max(UPDATES, updates)
    return max(epochs, math.ceil(updates / updates_an_epoch(protocol, articles)))


def updates_an_epoch(protocol: Protocol, articles: int) -> int:
    """Return how many batches this number of training articles is cut into."""
    return math.ceil(articles / protocol.batch_size)


def class_weights(corpus: EncodedCorpus, protocol: Protocol) -> Float[Tensor, " classes"] | None:
    """Return each class's weight in the training loss: with `class_weights=balanced` the training
    articles over classes times the class's articles, as scikit-learn has it."""
    if protocol.class_weights == "none":
        return None
    labels, classes = corpus.train.labels, len(corpus.classes)
    return len(labels) / (classes * torch.bincount(labels, minlength=classes)).float()

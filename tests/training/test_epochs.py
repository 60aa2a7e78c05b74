import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from rnn_bench.config.schema import Config
from rnn_bench.data.batches import training_order
from rnn_bench.data.encoding import EncodedCorpus, Split, encoded_corpus
from rnn_bench.models.initial import initial_model
from rnn_bench.models.recurrent import RecurrentClassifier
from rnn_bench.training.epochs import EpochResult, Stopping, Training
from rnn_bench.training.prediction import predict, validate
from rnn_bench.training.start import planned_epochs, start_training
from tests.conftest import SMALL, SMALL_CORPUS, changed

Compose = Callable[..., Config]


def trained(
    config: Config, corpus: EncodedCorpus | None = None
) -> tuple[list[EpochResult], nn.Module]:
    corpus = corpus or encoded_corpus(config)
    training = start_training(initial_model(config, corpus), corpus, config)
    assert isinstance(training, Training)
    return [*training.epochs(lambda *_: None)], training.model


def losses(results: list[EpochResult]) -> list[tuple[float, float]]:
    return [(result.train_loss, result.val_loss) for result in results]


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("protocol", ["fair", "notebook"])
def test_the_same_seed_gives_the_same_losses_to_the_bit(
    cell: str, protocol: str, configured: Compose
) -> None:
    config = configured(*SMALL, f"model={cell}", f"protocol={protocol}")
    assert losses(trained(config)[0]) == losses(trained(config)[0])


def test_another_seed_gives_other_losses(configured: Compose) -> None:
    first, second = (losses(trained(configured(*SMALL, f"seed={i}"))[0]) for i in (0, 1))
    assert first != second


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_training_learns_a_near_cue(cell: str, configured: Compose) -> None:
    config = configured(
        f"model={cell}",
        "dataset.articles=1600",
        "dataset.length=8",
        "dataset.cue_distance=0",
        "dataset.marker_distance=3",
        "dataset.noise=0",
        "model.hidden_size=16",
        "optimizer.lr=0.01",
        "protocol.embedding_std=1",
        "protocol.readout=last_token",
        "protocol.epochs=8",
    )
    results, _ = trained(config)
    assert max(result.val_accuracy for result in results) > 0.9


def naive_notebook_losses(
    cell: str, corpus: EncodedCorpus, config: Config
) -> list[tuple[float, float]]:
    """The study's recipe as a script would have it: padded lists, plain Adam, `.item()`."""
    torch.manual_seed(config.seed)
    size = config.model.hidden_size
    embedding = nn.Embedding(len(corpus.vocabulary), config.model.embedding_dim, padding_idx=0)
    kind = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}[cell]
    recurrent = kind(config.model.embedding_dim, size, batch_first=True)
    linear = nn.Linear(size, 2)
    dropout = nn.Dropout(0.0 if cell == "lstm" else 0.5)
    model = nn.ModuleList([embedding, recurrent, linear, dropout])
    adam = torch.optim.Adam(model.parameters(), lr=0.1 if cell == "rnn" else 0.001)

    def loss_of(split: Split, articles: list[int]) -> torch.Tensor:
        rows = [split.tokens[split.offsets[i] : split.offsets[i + 1]].long() for i in articles]
        tokens = nn.utils.rnn.pad_sequence(rows, batch_first=True)
        states, _ = recurrent(embedding(tokens))
        return F.cross_entropy(linear(dropout(states[:, -1, :])), split.labels[articles])

    found = []
    assert config.protocol.epochs
    for epoch in range(1, config.protocol.epochs + 1):
        model.train()
        lengths = corpus.train.lengths.numpy()
        order = training_order(lengths, 32, "shuffled", config.seed, epoch)
        training = []
        for batch in order:
            loss = loss_of(corpus.train, batch.tolist())
            adam.zero_grad()
            loss.backward()
            adam.step()
            training.append(loss.item())
        model.eval()
        articles = [*range(len(corpus.validation))]
        with torch.no_grad():
            validation = [
                loss_of(corpus.validation, articles[start : start + 32]).item()
                for start in range(0, len(articles), 32)
            ]
        found.append((sum(training) / len(training), sum(validation) / len(validation)))
    return found


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_the_notebook_protocol_does_what_a_naive_script_of_the_study_does(
    cell: str, configured: Compose
) -> None:
    config = configured(
        *SMALL, "dataset.articles=480", f"model={cell}", "protocol=notebook", "protocol.epochs=3"
    )
    corpus = encoded_corpus(config)
    results, _ = trained(config, corpus)
    expected = naive_notebook_losses(cell, corpus, config)
    for found, naive in zip(losses(results), expected, strict=True):
        assert found == pytest.approx(naive, rel=2e-4)


def test_a_loss_that_is_not_finite_ends_training_as_diverged(configured: Compose) -> None:
    config = configured(
        *SMALL,
        "optimizer=sgd",
        "optimizer.lr=1e38",
        "protocol.epochs=5",
        "protocol.gradient_clip_norm=null",
    )
    results, _ = trained(config)
    assert results[-1].diverged
    assert len(results) < 5
    assert not math.isfinite(results[-1].train_loss)


def result(epoch: int, val_loss: float) -> EpochResult:
    return EpochResult(epoch, 0.5, val_loss, 0.5, seconds=1.0, training_seconds=0.9, ended_ms=0)


def test_patience_counts_epochs_without_a_lower_validation_loss() -> None:
    stopping, model = Stopping(patience=2), nn.Linear(1, 1)
    stops = []
    for epoch, loss in enumerate([0.9, 0.8, 0.85, 0.7, 0.7, 0.75], start=1):
        stopping.observe(result(epoch, loss), model)
        stops.append(stopping.stops_after(result(epoch, loss)))
    assert stops == [False, False, False, False, False, True]
    assert stopping.best_epoch == 4


@pytest.mark.parametrize("select_by", ["val_accuracy", "val_macro_f1"])
def test_patience_and_the_kept_weights_follow_what_the_protocol_selects_by(select_by: str) -> None:
    stopping, model = Stopping(2, select_by), nn.Linear(1, 1)
    stops = []
    for epoch, share in enumerate([0.6, 0.8, 0.8, 0.7], start=1):
        each = replace(result(epoch, 1 / epoch), **{select_by: share})  # the loss falls throughout
        stopping.observe(each, model)
        stops.append(stopping.stops_after(each))
    assert stops == [False, False, False, True]
    assert stopping.best_epoch == 2
    assert stopping.best_weights is not None


def test_an_epoch_whose_loss_is_no_number_is_never_selected() -> None:
    stopping = Stopping(None, "val_accuracy")
    stopping.observe(replace(result(1, math.nan), val_accuracy=1.0), nn.Linear(1, 1))
    assert stopping.best_epoch == 0


def test_the_epoch_that_is_tested_has_the_best_validation_measure(configured: Compose) -> None:
    small = (*SMALL, "protocol.epochs=6", "protocol.patience=null", "optimizer.lr=0.1")
    for select_by in ("val_accuracy", "val_macro_f1"):
        config = configured(*small, f"protocol.select_by={select_by}")
        corpus = encoded_corpus(config)
        results, model = trained(config, corpus)
        best = max(getattr(each, select_by) for each in results)
        assert validate(model, corpus.validation, config.protocol)[select_by] == best


def test_balanced_classes_weigh_the_same_in_the_training_loss(configured: Compose) -> None:
    config = configured(
        *SMALL,
        "protocol.class_weights=balanced",
        "protocol.epochs=1",
        "model.dropout=0",
        "protocol.batch_size=1000",
        "protocol.loss_average=batches",
    )
    corpus = encoded_corpus(config)
    train = corpus.train
    rare = replace(train, labels=torch.zeros_like(train.labels).index_fill(0, torch.arange(9), 1))
    corpus = replace(corpus, train=rare)
    model = initial_model(config, corpus)
    losses = F.cross_entropy(predict(model, rare, config.protocol), rare.labels, reduction="none")
    expected = (losses[rare.labels == 1].mean() + losses[rare.labels == 0].mean()) / 2
    (only,), _ = trained(config, corpus)
    assert only.train_loss == pytest.approx(expected.item(), rel=1e-4)


def test_without_patience_training_never_stops_early() -> None:
    stopping = Stopping(patience=None)
    assert not stopping.stops_after(result(100, 9.0))


def test_patience_from_learning_counts_from_the_epoch_that_beats_the_constant() -> None:
    stopping, model = Stopping(2, patience_from="learning"), nn.Linear(1, 1)
    stops = []
    for epoch, learned in enumerate([False, False, False, False, True, False, False], start=1):
        each = replace(result(epoch, 0.7 + 0.01 * epoch), beats_constant=learned)
        stopping.observe(each, model)
        stops.append(stopping.stops_after(each))
    assert stops == [*[False] * 6, True]
    assert (stopping.best_epoch, stopping.learned_epoch) == (1, 5)


@pytest.mark.parametrize(("updates", "epochs"), [("null", 2), (1, 2), (6, 2), (7, 3), (100, 34)])
def test_a_budget_of_updates_adds_epochs_where_they_have_fewer(
    updates: object, epochs: int, configured: Compose
) -> None:
    config = configured(*SMALL, f"protocol.min_updates={updates}")
    corpus = encoded_corpus(config)  # 77 articles: 3 batches an epoch
    assert planned_epochs(config, corpus) == epochs
    assert planned_epochs(configured("model=majority", *SMALL_CORPUS), corpus) == 1


@pytest.mark.parametrize(
    ("overrides", "epochs"),
    [
        *(((), 334), (("protocol.min_updates=3000",), 1000)),
        *((("protocol.batch_size=4",), 50), (("protocol.batch_size=1",), 20)),
    ],
)
def test_the_usual_budget_is_the_longer_one_of_epochs_and_updates(
    overrides: tuple[str, ...], epochs: int, configured: Compose
) -> None:
    corpus = encoded_corpus(configured(*SMALL))  # 77 articles: 3 batches an epoch
    config = configured(*SMALL_CORPUS, "protocol.epochs=null", *overrides)
    assert planned_epochs(config, corpus) == epochs


def test_a_network_is_not_trained_beyond_its_seconds(configured: Compose) -> None:
    config = configured(*SMALL, "protocol.train_seconds=0.000001", "protocol.batch_size=7")
    (only,), _ = trained(config)
    assert only.share == pytest.approx(7 / 77, abs=0.01)
    assert math.isfinite(only.train_loss)


def test_seconds_of_earlier_epochs_count(configured: Compose) -> None:
    config = configured(*SMALL, "protocol.train_seconds=1000", "protocol.epochs=4")
    corpus = encoded_corpus(config)
    training = start_training(initial_model(config, corpus), corpus, config)
    assert isinstance(training, Training)
    next(training.epochs(lambda *_: None))
    assert not training.ended
    training.history[0] = replace(training.history[0], training_seconds=1000.0)
    again = start_training(initial_model(config, corpus), corpus, config)
    again.load(training.state())
    assert [*again.epochs(lambda *_: None)] == []


def test_the_best_epoch_s_weights_are_those_evaluated(configured: Compose) -> None:
    constant = ("protocol.schedule=constant", "protocol.warmup=0", "protocol.patience=null")
    config = configured(*changed(SMALL, "protocol.epochs=6", "optimizer.lr=0.1", *constant))
    results, model = trained(config)
    best = min(results, key=lambda each: each.val_loss).epoch
    assert best < 6, "the test needs a run that gets worse"
    shorter = replace(config, protocol=replace(config.protocol, epochs=best))
    _, stopped_there = trained(shorter)
    last = replace(config, protocol=replace(config.protocol, evaluated_weights="last"))
    _, at_the_end = trained(last)
    assert same_weights(model, stopped_there)
    assert not same_weights(model, at_the_end)


def same_weights(first: nn.Module, second: nn.Module) -> bool:
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_gradients_are_clipped_to_the_norm(
    configured: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[float] = []
    clip = nn.utils.clip_grad_norm_

    def watched(parameters: object, norm: float) -> torch.Tensor:
        seen.append(norm)
        return clip(parameters, norm)  # type: ignore[arg-type]

    monkeypatch.setattr(nn.utils, "clip_grad_norm_", watched)
    trained(configured(*SMALL, "protocol.gradient_clip_norm=0.25"))
    assert set(seen) == {0.25}
    trained(configured(*SMALL, "protocol=notebook"))
    assert set(seen) == {0.25}


def test_progress_is_reported_after_every_batch(configured: Compose) -> None:
    config = configured(*SMALL, "protocol.epochs=1")
    corpus = encoded_corpus(config)
    model = RecurrentClassifier(
        "rnn", 4, 4, 1, False, 0.0, vocabulary_size=9999, classes=2, readout="last_token"
    )
    reported: list[tuple[int, int]] = []
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    training = Training(model, optimizer, corpus, config.protocol, 0)
    [*training.epochs(lambda *batch: reported.append(batch))]
    assert reported == [(1, 3), (2, 3), (3, 3)]


def test_training_and_validation_are_in_the_protocol_s_precision(configured: Compose) -> None:
    plain, ours = (
        configured(*SMALL, "optimizer.lr=0.01", f"protocol.precision={each}")
        for each in ("float32", "bfloat16")
    )
    corpus = encoded_corpus(plain)
    (expected, _), (found, model) = trained(plain, corpus), trained(ours, corpus)
    for one, other in zip(found, expected, strict=True):
        assert one.train_loss == pytest.approx(other.train_loss, rel=0.01)
        assert one.train_loss != other.train_loss
    in_bfloat16, in_float32 = (
        validate(model, corpus.validation, config.protocol)["val_loss"] for config in (ours, plain)
    )
    assert found[-1].val_loss == in_bfloat16 == pytest.approx(in_float32, rel=0.01)
    assert in_bfloat16 != in_float32
    assert {each.dtype for each in model.parameters()} == {torch.float32}

"""The moving average of the weights, which is evaluated in their place."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from rnn_bench.config.errors import ConfigError
from rnn_bench.config.schema import Config
from rnn_bench.data.encoding import EncodedCorpus, encoded_corpus
from rnn_bench.models.initial import initial_model
from rnn_bench.training.averaging import MovingAverage
from rnn_bench.training.epochs import Training
from rnn_bench.training.prediction import validate
from rnn_bench.training.start import start_training
from tests.conftest import SMALL

Compose = Callable[..., Config]

FAST = (
    *(*SMALL, "protocol.batch_size=8", "optimizer.lr=0.02", "protocol.epochs=4"),
    *("protocol.schedule=constant", "protocol.warmup=0"),
)


def trained(config: Config, corpus: EncodedCorpus) -> tuple[Training, list[list[Tensor]]]:
    """A training at its end, and the weights after each of its updates."""
    training = start_training(initial_model(config, corpus), corpus, config)
    assert isinstance(training, Training)
    steps: list[list[Tensor]] = []
    weights = [*training.model.parameters()]
    training.optimizer.register_step_post_hook(
        lambda *_: steps.append([each.detach().double().clone() for each in weights])
    )
    [*training.epochs(lambda *_: None)]
    return training, steps


def average_of(steps: list[list[Tensor]], decay: float) -> list[Tensor]:
    average = steps[0]
    for n, weights in enumerate(steps[1:], start=1):
        kept = min(decay, (1 + n) / (10 + n))
        average = [kept * a + (1 - kept) * w for a, w in zip(average, weights, strict=True)]
    return average


@pytest.mark.parametrize("decay", [0.5, 0.99])
def test_the_last_weights_are_the_moving_average_of_all_updates(
    decay: float, configured: Compose
) -> None:
    config = configured(*FAST, f"protocol.ema_decay={decay}", "protocol.evaluated_weights=last")
    corpus = encoded_corpus(config)
    training, steps = trained(config, corpus)
    assert len(steps) > 30
    for found, expected in zip(training.model.parameters(), average_of(steps, decay), strict=True):
        torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(training.model.output.weight.double(), steps[-1][-2], atol=1e-3)
    figures = validate(training.model, corpus.validation, config.protocol)
    assert figures["val_loss"] == pytest.approx(training.history[-1].val_loss)


def test_the_average_of_the_best_epoch_is_tested(configured: Compose) -> None:
    config = configured(*FAST, "protocol.ema_decay=0.9", "optimizer.lr=0.1")
    corpus = encoded_corpus(config)
    training, _ = trained(config, corpus)
    found = validate(training.model, corpus.validation, config.protocol)["val_loss"]
    assert found == pytest.approx(min(result.val_loss for result in training.history))


def test_training_goes_on_with_the_weights_themselves(configured: Compose) -> None:
    usual, averaged = (configured(*FAST, f"protocol.ema_decay={decay}") for decay in (0, 0.9))
    corpus = encoded_corpus(usual)
    (one, steps), (other, steps_too) = trained(usual, corpus), trained(averaged, corpus)
    assert [each.train_loss for each in one.history] == [each.train_loss for each in other.history]
    assert [each.val_loss for each in one.history] != [each.val_loss for each in other.history]
    assert all(torch.equal(*pair) for pair in zip(steps[-1], steps_too[-1], strict=True))


def test_it_counts_its_updates(configured: Compose) -> None:
    """The number is in checkpoints, and does not depend on who made the updates."""
    config = configured(*FAST, "protocol.ema_decay=0.9")
    training, steps = trained(config, encoded_corpus(config))
    assert training.average is not None
    assert training.average.n_averaged == len(steps)


def test_its_weights_lie_as_cudnn_wants_them(
    configured: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy's do not, and cuDNN would copy them at each call. A CPU needs nothing of it."""
    flattened: list[nn.RNNBase] = []
    monkeypatch.setattr(nn.RNNBase, "flatten_parameters", lambda module: flattened.append(module))
    config = configured(*SMALL, "protocol.ema_decay=0.9", "model.num_layers=2")
    model = initial_model(config, encoded_corpus(config))
    flattened.clear()
    average = MovingAverage(model, 0.9)
    assert flattened == [each for each in average.modules() if isinstance(each, nn.RNNBase)]
    assert len(flattened) == 2


def test_a_model_that_torch_cannot_copy_is_refused_with_what_does_without_a_copy() -> None:
    model = nn.Linear(2, 2)
    model.doubled = model.weight * 2  # no leaf of the graph, as older forms of weight_norm have
    with pytest.raises(ConfigError, match=r"ema_decay=0\.9 needs a copy .*ema_decay=0 needs none"):
        MovingAverage(model, 0.9)

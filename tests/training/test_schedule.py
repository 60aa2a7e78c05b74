"""The learning rate of each update."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from rnn_bench.config.errors import ConfigError
from rnn_bench.config.protocol import Protocol
from rnn_bench.config.schema import Config
from rnn_bench.data.encoding import encoded_corpus
from rnn_bench.models.initial import initial_model
from rnn_bench.training.epochs import Training
from rnn_bench.training.optimizer import build_optimizer
from rnn_bench.training.schedule import Schedule
from rnn_bench.training.start import start_training
from tests.conftest import SMALL, changed

Compose = Callable[..., Config]

PLANNED, RATE = 23, 0.3


def sgd(rate: float = RATE) -> torch.optim.Optimizer:
    return torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=rate)


def rates(schedule: str, warmup: float) -> list[float]:
    """The learning rates of all planned updates."""
    optimizer = sgd()
    protocol = Protocol(name="p", schedule=schedule, warmup=warmup)
    ours = Schedule(optimizer, protocol, PLANNED)
    found = []
    for update in range(PLANNED):
        ours.prepare(update)
        found.append(optimizer.param_groups[0]["lr"])
    return found


def rates_of_torch(schedule: str, rising: int) -> list[float]:
    """The same by torch's schedulers: a linear one to the full rate, then the schedule's."""
    optimizer = sgd()
    falling = PLANNED - rising
    after: dict[str, Callable[[], Any]] = {
        "constant": lambda: lr_scheduler.ConstantLR(optimizer, 1.0),
        "linear": lambda: lr_scheduler.LinearLR(optimizer, 1.0, 0.0, falling),
        "cosine": lambda: lr_scheduler.CosineAnnealingLR(optimizer, falling),
    }
    theirs = after[schedule]()
    if rising:
        warm_up = lr_scheduler.LinearLR(optimizer, 1 / (rising + 1), 1.0, rising)
        theirs = lr_scheduler.SequentialLR(optimizer, [warm_up, theirs], [rising])
    found = []
    for _ in range(PLANNED):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        theirs.step()
    return found


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
@pytest.mark.parametrize(("warmup", "rising"), [(0.0, 0), (0.1, 2), (0.5, 11), (0.99, 22)])
@pytest.mark.filterwarnings("ignore:The epoch parameter in `scheduler.step")
def test_the_rates_are_those_of_torch_s_schedulers(
    schedule: str, warmup: float, rising: int
) -> None:
    found = rates(schedule, warmup)
    assert found == pytest.approx(rates_of_torch(schedule, rising), rel=1e-9)
    assert max(found) == RATE
    assert min(found) > 0


def test_a_rate_that_an_optimizer_chooses_itself_is_left_alone_without_a_schedule() -> None:
    optimizer = sgd()
    constant = Schedule(optimizer, Protocol(name="p", schedule="constant", warmup=0), PLANNED)
    optimizer.param_groups[0]["lr"] = 7.0
    constant.prepare(3)
    assert optimizer.param_groups[0]["lr"] == 7.0


def test_each_group_of_parameters_keeps_its_share() -> None:
    layers = [nn.Linear(1, 1) for _ in range(2)]
    groups = [
        {"params": each.parameters(), "lr": lr} for each, lr in zip(layers, (0.1, 0.4), strict=True)
    ]
    optimizer = torch.optim.SGD(groups)
    Schedule(optimizer, Protocol(name="p", schedule="linear", warmup=0), 4).prepare(2)
    assert [group["lr"] for group in optimizer.param_groups] == [0.05, 0.2]


def test_time_that_is_spent_sooner_than_updates_takes_their_place() -> None:
    optimizer = sgd()
    protocol = Protocol(name="p", schedule="linear", warmup=0.2, train_seconds=60.0)
    timed = Schedule(optimizer, protocol, 10)
    for update, spent, share in (
        *((0, 0.0, 1 / 3), (0, 0.1, 2 / 3), (0, 0.2, 1), (3, 0.6, 1 / 2), (6, 0.3, 1 / 2)),
        *((1, 1.0, 0), (1, 1.2, 0)),
    ):
        timed.prepare(update, spent)
        assert optimizer.param_groups[0]["lr"] == pytest.approx(RATE * share)


def test_an_optimizer_without_a_learning_rate_is_refused() -> None:
    optimizer = sgd()
    del optimizer.param_groups[0]["lr"]
    with pytest.raises(ConfigError, match=r"protocol\.schedule=linear .* has no lr"):
        Schedule(optimizer, Protocol(name="p", schedule="linear"), PLANNED)


def rates_in_training(config: Config) -> list[float]:
    corpus = encoded_corpus(config)
    training = start_training(initial_model(config, corpus), corpus, config)
    assert isinstance(training, Training)
    found: list[float] = []
    training.optimizer.register_step_pre_hook(
        lambda optimizer, *_: found.append(optimizer.param_groups[0]["lr"])
    )
    [*training.epochs(lambda *_: None)]
    return found


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "rmsprop"])
def test_a_training_falls_from_its_model_s_own_rate_over_all_its_epochs(
    optimizer: str, configured: Compose
) -> None:
    own = ("+protocol.lr_by_model.gru=0.02", f"optimizer={optimizer}", "protocol.batch_size=16")
    found = rates_in_training(
        configured(*SMALL, *own, "protocol.schedule=linear", "protocol.warmup=0")
    )
    count = len(found)
    assert count > 4
    assert count % 2 == 0
    assert found == pytest.approx([0.02 * (1 - done / count) for done in range(count)])


def test_seconds_that_are_spent_lower_the_rate_of_a_training_with_many_epochs_left(
    configured: Compose,
) -> None:
    keys = ("protocol.train_seconds=1000", "protocol.epochs=1000000", "protocol.patience=null")
    falls = ("protocol.schedule=linear", "protocol.warmup=0", "optimizer.lr=0.02")
    config = configured(*changed(SMALL, *keys, *falls))
    corpus = encoded_corpus(config)
    training = start_training(initial_model(config, corpus), corpus, config)
    assert isinstance(training, Training)
    next(training.epochs(lambda *_: None))
    training.history[0] = replace(training.history[0], training_seconds=900.0)
    next(training.epochs(lambda *_: None))
    (group,) = training.optimizer.param_groups
    assert 0 < group["lr"] < 0.1 * 0.02


def test_without_a_schedule_the_rate_is_the_optimizer_s(configured: Compose) -> None:
    constant = ("protocol.schedule=constant", "protocol.warmup=0")
    assert {*rates_in_training(configured(*SMALL, *constant, "optimizer.lr=0.02"))} == {0.02}


def test_every_optimizer_of_the_groups_has_a_learning_rate(configured: Compose) -> None:
    for name in ("adam", "adamw", "sgd", "rmsprop"):
        option = configured(f"optimizer={name}").optimizer
        assert "lr" in build_optimizer(option, nn.Linear(1, 1)).param_groups[0]

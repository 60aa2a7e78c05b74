import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from rnn_bench.config.errors import UsageError
from rnn_bench.config.schema import Config
from rnn_bench.data.encoding import encoded_corpus
from rnn_bench.models.initial import initial_model
from rnn_bench.training.checkpoint import Checkpoints
from rnn_bench.training.epochs import EpochResult, Training
from rnn_bench.training.fitting import Fitting
from rnn_bench.training.start import start_training
from rnn_bench.training.summary import learned_epoch
from tests.conftest import SMALL, SMALL_CORPUS

Compose = Callable[..., Config]


def started(config: Config) -> Training | Fitting:
    corpus = encoded_corpus(config)
    return start_training(initial_model(config, corpus), corpus, config)


def losses(results: list[EpochResult]) -> list[tuple[int, float, float]]:
    return [(result.epoch, result.train_loss, result.val_loss) for result in results]


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "rmsprop"])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_a_training_goes_on_from_a_checkpoint_to_the_same_losses(
    cell: str, optimizer: str, configured: Compose, tmp_path: Path
) -> None:
    config = configured(
        *(*SMALL, f"model={cell}", f"optimizer={optimizer}", "protocol.epochs=5"),
        *("dataset.noise=0.2", "model.dropout=0.5"),
    )
    whole = started(config)
    [*whole.epochs(lambda *_: None)]

    stopped, checkpoints = started(config), Checkpoints(tmp_path)
    for result in stopped.epochs(lambda *_: None):
        checkpoints.save(result.epoch, stopped.state())
        if result.epoch == 2:
            break
    torch.rand(7)  # the other process's random state is another
    continued, state = started(config), checkpoints.load()
    assert state is not None
    continued.load(state)
    assert [result.epoch for result in continued.epochs(lambda *_: None)] == [3, 4, 5]
    assert losses(continued.history) == losses(whole.history)
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, continued.model.state_dict()[name]), name


@pytest.mark.parametrize(
    "settings",
    [
        ("protocol.select_by=val_accuracy",),
        ("protocol.select_by=val_macro_f1", "protocol.class_weights=balanced"),
        ("protocol.schedule=linear", "protocol.warmup=0.3", "optimizer=sgd"),
        ("protocol.schedule=cosine", "protocol.embedding_dropout=0.2", "protocol.warmup=0.1"),
        ("protocol.ema_decay=0.9", "protocol.schedule=linear"),
        ("protocol.ema_decay=0.9", "protocol.evaluated_weights=last"),
        ("protocol.warmup=0.9", "protocol.recurrent_init=orthogonal", "model=lstm"),
        ("protocol.precision=bfloat16", "protocol.ema_decay=0.9", "model=lstm"),
    ],
)
def test_a_training_with_another_recipe_goes_on_to_the_same_weights(
    settings: tuple[str, ...], configured: Compose, tmp_path: Path
) -> None:
    config = configured(*SMALL, *settings, "protocol.epochs=6", "optimizer.lr=0.05")
    whole = started(config)
    [*whole.epochs(lambda *_: None)]
    for stop in range(1, len(whole.history)):
        stopped, checkpoints = started(config), Checkpoints(tmp_path)
        for result in stopped.epochs(lambda *_: None):
            checkpoints.save(result.epoch, stopped.state())
            if result.epoch == stop:
                break
        continued, state = started(config), checkpoints.load()
        assert state is not None
        continued.load(state)
        [*continued.epochs(lambda *_: None)]
        assert losses(continued.history) == losses(whole.history)
        for name, value in whole.model.state_dict().items():
            assert torch.equal(value, continued.model.state_dict()[name]), name
        checkpoints.remove()


@pytest.mark.parametrize("model", ["gru", "tfidf", "nbsvm", "majority"])
def test_a_training_that_was_at_its_end_is_not_trained_further(
    model: str, configured: Compose, tmp_path: Path
) -> None:
    small = SMALL if model == "gru" else SMALL_CORPUS
    config = configured(*small, f"model={model}", "protocol.epochs=2")
    whole = started(config)
    [*whole.epochs(lambda *_: None)]
    Checkpoints(tmp_path).save(len(whole.history), whole.state())
    again, state = started(config), Checkpoints(tmp_path).load()
    assert state is not None
    again.load(state)
    assert [*again.epochs(lambda *_: None)] == []
    assert losses(again.history) == losses(whole.history)
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[name]), name


def test_whether_a_run_has_learned_is_known_after_it_was_resumed(configured: Compose) -> None:
    late = ("protocol.epochs=3", "protocol.patience=1", "protocol.patience_from=learning")
    whole = started(configured(*SMALL, *late, "optimizer.lr=1e-12"))
    [*whole.epochs(lambda *_: None)]
    state = whole.state()
    assert learned_epoch(whole.history) == 0
    state["history"][1]["beats_constant"] = True
    again = started(configured(*SMALL, *late))
    again.load(state)
    assert isinstance(again, Training)
    assert (again.stopping.learned_epoch, learned_epoch(again.history)) == (2, 2)


def test_a_checkpoint_from_before_learning_was_told_goes_on(configured: Compose) -> None:
    config = configured(*SMALL, "protocol.epochs=3")
    first = started(config)
    next(first.epochs(lambda *_: None))
    state = first.state()
    for result in state["history"]:
        del result["beats_constant"], result["share"]
    again = started(config)
    again.load(state)
    [*again.epochs(lambda *_: None)]
    assert len(again.history) == 3
    assert learned_epoch(again.history) is None, "so the run is finished, not unlearned"


def test_the_last_two_checkpoints_are_kept(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    for epoch in (9, 10, 11, 12):
        checkpoints.save(epoch, {"epoch": epoch, "smaller": torch.ones(13_000 - 1000 * epoch)})
    assert sorted(path.name for path in tmp_path.glob("*.pt")) == [
        "checkpoint-000011.pt",
        "checkpoint-000012.pt",
    ]
    assert checkpoints.epoch == 12
    state = checkpoints.load()
    assert state is not None
    assert torch.equal(state["smaller"], torch.ones(1000))
    checkpoints.remove()
    assert (checkpoints.epoch, checkpoints.load()) == (0, None)
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty"])
def test_a_damaged_checkpoint_is_noticed_and_the_one_before_it_used(
    damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoints = Checkpoints(tmp_path)
    for epoch in (1, 2):
        checkpoints.save(epoch, {"epoch": epoch, "weights": torch.ones(1000)})
    file = tmp_path / "checkpoint-000002.pt"
    content = bytearray(file.read_bytes())
    content[2000] ^= 1
    file.write_bytes({"truncated": content[:3000], "flipped": content, "empty": b""}[damage])
    with caplog.at_level(logging.WARNING):
        state = checkpoints.load()
    assert state is not None
    assert state["epoch"] == 1
    assert "checkpoint-000002.pt is damaged" in caplog.text


def test_a_checkpoint_runs_no_code(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, {"path": tmp_path})
    with pytest.raises(Exception, match="Weights only load failed"):
        checkpoints.load()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gone cannot take a checkpoint: No such file"):
        Checkpoints(tmp_path / "gone").save(1, {})

import math
from dataclasses import replace

from rnn_bench.training.epochs import EpochResult
from rnn_bench.training.summary import best_epoch


def history(*val_losses: float) -> list[EpochResult]:
    return [
        EpochResult(epoch, 0.5, loss, 0.5, seconds=1.0, training_seconds=0.9, ended_ms=0)
        for epoch, loss in enumerate(val_losses, start=1)
    ]


def test_the_best_epoch_has_the_lowest_validation_loss_that_is_a_number() -> None:
    assert best_epoch(history(0.3, 0.1, 0.1, 0.2)) == 2
    assert best_epoch(history(math.nan, math.inf, 0.2)) == 3
    assert best_epoch(history(math.nan, math.nan)) == 1


def test_the_best_epoch_is_the_one_that_the_protocol_selects() -> None:
    epochs = [
        replace(each, val_accuracy=accuracy, val_macro_f1=f1)
        for each, accuracy, f1 in zip(
            history(0.3, 0.2, 0.1), (0.9, 0.9, 0.8), (0.5, 0.6, 0.4), strict=True
        )
    ]
    best = {name: best_epoch(epochs, name) for name in ("val_loss", "val_accuracy", "val_macro_f1")}
    assert best == {"val_loss": 3, "val_accuracy": 1, "val_macro_f1": 2}

import math

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

"""The metrics of a whole training."""

import math
from collections.abc import Sequence

from rnn_bench.data.encoding import EncodedCorpus
from rnn_bench.training.epochs import EpochResult


def training_metrics(history: Sequence[EpochResult], corpus: EncodedCorpus) -> dict[str, float]:
    """Return `best_epoch`, `train_seconds` and `tokens_per_second` of a run's epochs.

    The best epoch has the lowest validation loss. Seconds include validation. Tokens per second
    count the training articles' tokens without padding, over the time without validation.
    """
    training_seconds = sum(result.training_seconds for result in history)
    return {
        "best_epoch": best_epoch(history),
        "train_seconds": sum(result.seconds for result in history),
        "tokens_per_second": len(corpus.train.tokens) * len(history) / training_seconds,
    }


def best_epoch(history: Sequence[EpochResult]) -> int:
    """Return the epoch with the lowest validation loss; the first if no loss is a number."""
    numbers = [result for result in history if not math.isnan(result.val_loss)]
    return min(numbers, key=lambda result: result.val_loss, default=history[0]).epoch

"""The metrics of a whole training."""

from collections.abc import Sequence

from rnn_bench.data.encoding import EncodedCorpus
from rnn_bench.training.epochs import EpochResult


def training_metrics(
    history: Sequence[EpochResult], corpus: EncodedCorpus, select_by: str
) -> dict[str, float]:
    """Return `best_epoch`, `train_seconds` and `tokens_per_second` of a run's epochs.

    The best epoch is the one that `select_by` selects. Seconds include validation. Tokens per
    second count the training articles' tokens without padding, over the time without validation.
    """
    training_seconds = sum(result.training_seconds for result in history)
    return {
        "best_epoch": best_epoch(history, select_by),
        "train_seconds": sum(result.seconds for result in history),
        "tokens_per_second": len(corpus.train.tokens) * len(history) / training_seconds,
    }


def best_epoch(history: Sequence[EpochResult], select_by: str = "val_loss") -> int:
    """Return the epoch that validation selects, of equal ones the first."""
    return min(history, key=lambda result: result.penalty(select_by)).epoch

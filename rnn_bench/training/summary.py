"""The numbers of a whole training: its metrics, and the numbers that are tags."""

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
    passes = sum(result.share for result in history)
    return {
        "best_epoch": best_epoch(history, select_by),
        "train_seconds": sum(result.seconds for result in history),
        "tokens_per_second": len(corpus.train.tokens) * passes / training_seconds(history),
    }


def training_tags(history: Sequence[EpochResult], corpus: EncodedCorpus) -> dict[str, object]:
    """Return `trained_epochs`, `learned_epoch` and `training_seconds` of a run's epochs, and each
    split's share of truncated articles.

    `learned_epoch` is the first one after which a network beat the best constant prediction, 0 if
    none did, and None where that is not known. Seconds are without validation.
    """
    return {
        "trained_epochs": len(history),
        "learned_epoch": learned_epoch(history),
        "training_seconds": round(training_seconds(history), 6),
        **{f"truncated/{split}": round(share, 4) for split, share in corpus.truncated.items()},
    }


def training_seconds(history: Sequence[EpochResult]) -> float:
    """Return the time that all epochs took without validation."""
    return sum(result.training_seconds for result in history)


def best_epoch(history: Sequence[EpochResult], select_by: str = "val_loss") -> int:
    """Return the epoch that validation selects, of equal ones the first."""
    return min(history, key=lambda result: result.penalty(select_by)).epoch


def learned_epoch(history: Sequence[EpochResult]) -> int | None:
    """Return the first epoch after which validation beat the best constant prediction by more than
    chance, and 0 if none did; None where that is not known of every epoch before."""
    for result in history:
        if result.beats_constant is None:
            return None
        if result.beats_constant:
            return result.epoch
    return 0

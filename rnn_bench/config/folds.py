"""Chooses the runs of a sweep over folds, where only some of its corpora are cut into folds."""

from collections.abc import Callable, Sequence

KEY = "dataset.fold="


def without_absent_folds(
    batch: Sequence[list[str]], folds_of: Callable[[list[str]], int | None]
) -> list[list[str]]:
    """Return the overrides of a sweep's runs without those of folds that a corpus does not have.

    If some of the corpora are cut into folds, one with a test file of its own is asked once, with
    `dataset.fold=0`. `folds_of` returns into how many folds the corpus of a run is cut, or None.
    """
    if not any(line.startswith(KEY) for lines in batch for line in lines):
        return [*batch]
    corpora = {_without_fold(lines): lines for lines in batch}
    found = {corpus: folds_of(lines) for corpus, lines in corpora.items()}
    folds = [found[_without_fold(lines)] for lines in batch]
    if not any(folds):  # the number of folds is missing, and an error says so
        return [*batch]
    first = {_without_fold(lines) for lines in batch if f"{KEY}0" in lines}
    return [
        lines
        for lines, count in zip(batch, folds, strict=True)
        if count or f"{KEY}0" in lines or _without_fold(lines) not in first
    ]


def _without_fold(lines: Sequence[str]) -> tuple[str, ...]:
    return tuple(line for line in lines if not line.startswith(KEY))

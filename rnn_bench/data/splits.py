"""Splitting the training file into training and validation articles."""

import torch

from rnn_bench.config.protocol import Protocol
from rnn_bench.data.corpus import DataError


def split_validation(labels: list[int], protocol: Protocol) -> tuple[list[int], list[int]]:
    """Positions of the training and of the validation articles in the training file.

    Not stratified, it is torch's `random_split` with a generator of `split_seed`, the size of
    validation rounded down.

    Raises:
        DataError: a side would be empty, or a class too small for a stratified split.
    """
    count, size = len(labels), int(len(labels) * protocol.validation_fraction)
    too_small = DataError(
        f"The corpus is too small to split: of {count} training articles, {size} would be "
        f"validation (protocol.validation_fraction={protocol.validation_fraction})."
    )
    if not 0 < size < count:
        raise too_small
    if not protocol.validation_stratified:
        generator = torch.Generator().manual_seed(protocol.split_seed)
        order = torch.randperm(count, generator=generator).tolist()
        return order[: count - size], order[count - size :]
    from sklearn.model_selection import train_test_split

    try:
        training, validation = train_test_split(
            range(count), test_size=size, random_state=protocol.split_seed, stratify=labels
        )
    except ValueError:
        raise too_small from None
    return training, validation

"""Split articles into training, validation and test articles."""

from collections.abc import Sequence

import torch

from rnn_bench.config.protocol import Protocol
from rnn_bench.data.corpus import DataError

TEST_FRACTION = 0.2  # of the study's corpora and the demo corpus
TEST_SPLIT_SEED = 99  # the study's
FEWEST_ARTICLES = 10  # of a study corpus


def split_test_like_the_study(count: int, source: object) -> tuple[list[int], list[int]]:
    """Return the positions of the training and of the test articles, a fifth, drawn without regard
    to their classes.

    Raises:
        DataError: there are fewer than 10 articles. The message names their `source`.
    """
    from sklearn.model_selection import train_test_split

    if count < FEWEST_ARTICLES:
        raise DataError(f"{source}: {count} articles are too few to split.")
    train, test = train_test_split(
        range(count), test_size=TEST_FRACTION, random_state=TEST_SPLIT_SEED
    )
    return train, test


def split_test_stratified(
    labels: Sequence[str], fraction: float, source: object
) -> tuple[list[int], list[int]]:
    """Return the positions of the training and of the test articles, a fraction, drawn with the
    same share of each class.

    Raises:
        DataError: a class has one article, or a side would have fewer articles than classes. The
            message names their `source`.
    """
    from sklearn.model_selection import train_test_split

    classes = sorted(set(labels))
    rarest = min(classes, key=labels.count)
    if labels.count(rarest) < 2:
        raise DataError(f"{source} is too small to split: one article with the label {rarest!r}.")
    size = max(round(len(labels) * fraction), len(classes))
    if len(labels) - size < len(classes):
        raise DataError(f"{source} is too small to split: {len(labels)} articles.")
    train, test = train_test_split(
        range(len(labels)), test_size=size, random_state=TEST_SPLIT_SEED, stratify=labels
    )
    return train, test


def split_validation(labels: list[int], protocol: Protocol) -> tuple[list[int], list[int]]:
    """Return the positions in the training file of the training and of the validation articles.

    Without stratification this is torch's `random_split` with a generator of `split_seed`; the
    number of validation articles is rounded down.

    Raises:
        DataError: a side would be empty, or a class is too small for a stratified split.
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

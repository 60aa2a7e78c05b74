"""Split articles into training, validation and test articles."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from rnn_bench.config.dataset import Splitting
from rnn_bench.config.protocol import Protocol
from rnn_bench.data.corpus import Articles, Columns, DataError

TEST_FRACTION = 0.2  # of the study's corpora
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

    counts = Counter(labels)
    classes = sorted(counts)
    rarest = min(classes, key=lambda label: counts[label])
    if counts[rarest] < 2:
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


def nested_part(
    positions: Sequence[int], labels: Sequence[int], share: float, seed: int
) -> list[int]:
    """Return the positions of a share of each class's articles, one at least, in their order.

    A larger share with the same seed contains the smaller ones. `labels` are those of all
    articles, `positions` those of the articles to choose from.
    """
    if share == 1:
        return [*positions]
    own = np.array(labels)[positions]
    chosen: list[int] = []
    for label in np.unique(own):
        places = np.random.default_rng([seed, int(label)]).permutation(np.flatnonzero(own == label))
        chosen += places[: max(1, round(share * len(places)))].tolist()
    return [positions[i] for i in sorted(chosen)]


def resplit(articles: Articles, splitting: Splitting, seed: int) -> Articles:
    """Return the articles with the test articles of a fold, or of a resample, if one is asked for.

    Training, validation and test articles are put together, in this order, and drawn from with the
    same share of each class. `seed` decides the folds.

    Raises:
        DataError: a class has fewer articles than there are folds, or one article.
    """
    if not splitting.redraws:
        return articles
    from sklearn.model_selection import StratifiedKFold, train_test_split

    files = [articles.train, *filter(None, [articles.validation]), articles.test]
    texts = [text for file in files for text in file[0]]
    labels = [label for file in files for label in file[1]]
    fewest, needed = Counter(labels).most_common()[-1], splitting.folds or 2
    if fewest[1] < needed:
        what = f"dataset.folds={splitting.folds}" if splitting.folds else "dataset.resample"
        raise DataError(
            f"{what} is not possible: the class {articles.classes[fewest[0]]!r} has {fewest[1]} "
            f"articles of {len(texts)}, and needs {needed}."
        )
    if splitting.folds:
        folds = StratifiedKFold(splitting.folds, shuffle=True, random_state=seed)
        train, test = [*folds.split(labels, labels)][splitting.fold]
    else:
        size = len(articles.test[0]) or max(
            round(len(texts) * TEST_FRACTION), len(articles.classes)
        )
        drawn = np.random.RandomState([seed, splitting.resample or 0])
        train, test = map(
            sorted,
            train_test_split(
                range(len(texts)), test_size=size, random_state=drawn, stratify=labels
            ),
        )

    noise = None
    if articles.noise:
        wrong = [*articles.noise[0], *articles.noise[1]]
        noise = [wrong[i] for i in train], [wrong[i] for i in test]

    def columns() -> Columns:
        both = {name: [*first, *last] for name, (first, last) in articles.columns().items()}
        return {
            name: ([values[i] for i in train], [values[i] for i in test])
            for name, values in both.items()
            if len(values) == len(texts)
        }

    return replace(
        articles,
        train=([texts[i] for i in train], [labels[i] for i in train]),
        validation=None,
        test=([texts[i] for i in test], [labels[i] for i in test]),
        columns=columns,
        noise=noise,
    )

"""Tell which splits and columns of a data set hold its articles, by names and types."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rnn_bench.config.errors import listed
from rnn_bench.data.corpus import DataError

# Names by which splits and columns are guessed, the likeliest first.
SPLIT_NAMES = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing"),
}
LABEL_NAMES = ("label", "labels", "class", "category", "target", "sentiment", "topic")
TEXT_NAMES = ("text", "sentence", "content", "review", "document", "article", "body", "tweet")
SINGLE = ("Value", "ClassLabel")  # types with one value in a row
STRINGS = ("string", "large_string", "string_view")

Features = Mapping[str, Any]  # the type of each column, as `datasets` tells it


def choose_splits(
    source: str, given: Mapping[str, str | None], there: Sequence[str]
) -> dict[str, str]:
    """Return the split for training, and those for validation and test, if there are any: the
    given ones, else those with a usual name.

    Raises:
        DataError: a given one is missing or given twice, or none can be guessed for training. The
            message names the `source`.
    """
    chosen = {role: name for role, name in given.items() if name is not None}
    for role, name in chosen.items():
        if name not in there:
            part = " To train on a part of one, set dataset.train_size, such as 0.1."
            raise DataError(
                f"dataset.{role}={name} is not possible: {source} has no such split. "
                f"Its splits: {listed(there)}.{part * ('[' in name)}"
            )
        if [*chosen.values()].count(name) > 1:
            raise DataError(
                f"dataset.{role}={name} is not possible: another key names that split too. "
                f"The splits of {source}: {listed(there)}."
            )
    if not chosen and len(there) == 1:
        return {"train": there[0]}
    free = [name for name in there if name not in chosen.values()]
    for role, names in SPLIT_NAMES.items():
        if role not in chosen and (guess := _likeliest(free, names)) is not None:
            chosen[role] = guess
    if "train" not in chosen:
        raise DataError(
            f"Which split of {source} is for training? Set dataset.train, and dataset.test if "
            f"there is one for test. Its splits: {listed(there)}."
        )
    return {role: chosen[role] for role in SPLIT_NAMES if role in chosen}


def choose_label(source: str, given: str | None, features: Features) -> str:
    """Return the column of the labels: the given one, else the only one with named classes, else
    the one with the likeliest name.

    Raises:
        DataError: it is missing or has no labels, or none can be guessed. The message names the
            `source`.
    """
    if given is not None:
        _require_column(source, "label_column", given, features)
        label = given
    else:
        named = [name for name in features if class_names(features[name])]
        guess = named[0] if len(named) == 1 else _likeliest(named or features, LABEL_NAMES)
        if guess is None:
            raise DataError(
                f"Which column of {source} has the labels? Set dataset.label_column to one of: "
                f"{listed(features)}."
            )
        label = guess
    single = [name for name in features if type(features[name]).__name__ in SINGLE]
    if label not in single:
        raise DataError(
            f"The column {label!r} of {source} has no single label in a row, and an article must "
            f"have one. Columns that have, for dataset.label_column: {listed(single)}."
        )
    return label


def choose_texts(
    source: str, given: Sequence[str], label: str, features: Features, key: str
) -> list[str]:
    """Return the columns of the texts: the given ones, else the only one with texts beside the
    label, else the one with the likeliest name. `key` is the key that gives them.

    Raises:
        DataError: one is missing or has no texts, or none can be guessed. The message names the
            `source`.
    """
    with_texts = [name for name in features if _is_text(features[name]) and name != label]
    for name in given:
        _require_column(source, key, name, features)
        if not _is_text(features[name]):
            raise DataError(
                f"dataset.{key}={name} is not possible: that column of {source} has no texts. "
                f"Those that have: {listed(with_texts)}."
            )
    if given:
        return [*given]
    guess = with_texts[0] if len(with_texts) == 1 else _likeliest(with_texts, TEXT_NAMES)
    if guess is None:
        raise DataError(
            f"Which column of {source} has the texts? Set dataset.text_column, or "
            "dataset.text_columns=[...] to put several together.\n"
            f"Its columns with texts: {listed(with_texts)}."
        )
    return [guess]


def class_names(feature: Any) -> list[str] | None:
    """Return the names of the classes of a column that stores them as numbers, else None."""
    return getattr(feature, "names", None)


def _require_column(source: str, key: str, name: str, features: Features) -> None:
    if name not in features:
        raise DataError(
            f"dataset.{key}={name} is not possible: {source} has no such column. "
            f"Its columns: {listed(features)}."
        )


def _likeliest(names: Iterable[str], known: Sequence[str]) -> str | None:
    """Return the first of the known names that is among the names, in whatever case."""
    by_name = {name.lower(): name for name in names}
    return next((by_name[name] for name in known if name in by_name), None)


def _is_text(feature: Any) -> bool:
    return getattr(feature, "dtype", None) in STRINGS

"""Tell the classes from a column of labels."""

import logging
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation

import pandas as pd

from rnn_bench.data.corpus import DataError

log = logging.getLogger(__name__)

MANY = 100  # labels, of which few columns of labels have more
FEWEST = 20  # labels below which a file is too small, and the column the right one


def require_few_classes(labels: pd.Series, source: object) -> None:
    """Raise DataError if a column is no column of labels: most labels are there once, or they are
    many numbers with fractions.

    Args:
        source: the file that the message names.
    """
    different = labels.nunique()
    single = different > FEWEST and 2 * different > len(labels)
    measured = different > MANY and any(
        number != number.to_integral_value() for number in numbers({*labels}).values()
    )
    if single or measured:
        raise DataError(
            f"{source}: column {labels.name!r} has {different:,} different values in "
            f"{len(labels):,} rows: is it the label? Name the column with dataset.label_column=..."
        )


def numbers(labels: Iterable[str]) -> dict[str, Decimal]:
    """Return the number that each label is, exactly, or nothing if one of them is not a finite
    number."""
    try:
        found = {label: Decimal(label) for label in labels}
    except InvalidOperation:
        return {}
    return found if all(number.is_finite() for number in found.values()) else {}


def sorted_classes(labels: set[str]) -> tuple[str, ...]:
    """Return the labels in order: that of numbers if all are numbers, else that of the letters."""
    values = numbers(labels)
    return tuple(sorted(sorted(labels), key=lambda label: values.get(label, Decimal())))


def usual_spellings(labels: set[str], classes: Iterable[str] = ()) -> Mapping[str, str]:
    """Return one label for all that are the same number, such as 1 for 1 and 1.0, if all are
    numbers: that of the `classes`, else the shortest. Warn of words that are the same but for upper
    and lower case: they stay two classes.
    """
    values = numbers({*labels, *classes})
    of_value = {values[name]: name for name in classes if name in values}
    for label in sorted(labels, key=lambda label: (len(label), label)):
        if label in values:
            of_value.setdefault(values[label], label)
    spellings = {label: of_value[values[label]] for label in labels if label in values}
    alike: dict[str, list[str]] = {}
    for name in sorted({*labels, *classes}):
        alike.setdefault(" ".join(name.casefold().split()), []).append(name)
    for same in alike.values():
        if len(same) > 1:
            names = " and ".join(map(repr, same))
            log.warning("The labels %s differ in case or blanks alone, and are two classes.", names)
    return spellings

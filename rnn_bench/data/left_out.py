"""Leave out rows without text or label, and articles whose text stands in the corpus already."""

import logging
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from rnn_bench.data.corpus import DataError

log = logging.getLogger(__name__)

ORDER = ("test", "validation", "train")  # of what two of them share, the first keeps it


def without_bad_rows(
    rows: pd.DataFrame, source: str, names: Mapping[str, str], drop: bool
) -> tuple[pd.DataFrame, str]:
    """Return the rows whose text and label are more than blanks, and a note such as `2 of 9 rows`
    on how many others there were ("" if none).

    Args:
        rows: with the columns text and label.
        source: the file or split, in messages.
        names: what messages call the two columns.
        drop: whether other rows are left out, and not refused.

    Raises:
        DataError: there are others and they are not to be dropped, or there are none but those.
    """
    empty = rows[["text", "label"]].map(lambda cell: not cell.strip())
    bad = empty.any(axis=1)
    if bad.all():
        raise DataError(f"{source} has no row with a text and a label.")
    if not bad.any():
        return rows, ""
    if not drop:
        first = int(bad.to_numpy().argmax())
        raise DataError(
            f"{source} has {int(bad.sum()):,} bad rows of {len(rows):,}; the first is row "
            f"{first + 1} (the header not counted): its {names[str(empty.iloc[first].idxmax())]!r} "
            "is empty.\nMend them, or leave them out with dataset.drop_bad_rows=true."
        )
    return rows[~bad].reset_index(drop=True), f"{int(bad.sum()):,} of {len(rows):,} rows"


def without_duplicates(
    tables: Mapping[str, pd.DataFrame], files: Mapping[str, str]
) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """Return the tables of the splits without the articles whose prepared text stands elsewhere,
    and a note on each file that lost some.

    Test keeps one article of each text, so that results stay comparable with others'. Validation
    loses what test has, and training what either has: no text is trained on that is tested. Of
    equal texts with different labels the first stays.

    Raises:
        DataError: a split has no articles left.
    """
    order = [split for split in ORDER if split in tables]
    articles = pd.concat([tables[split][["prepared", "label"]] for split in order], keys=order)
    repeats: pd.Series = articles["prepared"].duplicated()
    several = articles[articles["prepared"].duplicated(keep=False)]
    labels = several.drop_duplicates().groupby("prepared").size()
    kept, notes = {}, []
    for split in tables:
        table, own = tables[split], repeats.loc[split].to_numpy()
        kept[split] = table[~own].reset_index(drop=True)
        if own.any():
            name = Path(files[split]).name
            notes.append(f"{int(own.sum()):,} duplicates among {len(table):,} texts of {name}")
        if own.all():
            others = " and ".join(files[other] for other in order[: order.index(split)])
            raise DataError(
                f"dataset.drop_duplicates=true leaves nothing of {files[split]}: {others} has all "
                "of its texts. Name files that have different ones."
            )
    if contradicting := int((labels > 1).sum()):
        log.warning(
            "%s of the texts that are there twice have different labels; the first is kept.",
            f"{contradicting:,}",
        )
    return kept, notes

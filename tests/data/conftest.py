from pathlib import Path

import pytest

from tests.data.planted import articles, write


@pytest.fixture
def reviews(workplace: Path) -> tuple[str, ...]:
    """A CSV corpus's settings on the command line; one of its test articles is in training."""
    train = articles(60, 0)
    write(workplace / "reviews.csv", train)
    write(workplace / "held_out.csv", [*articles(20, 1), train[0]])
    return ("dataset.train=reviews.csv", "dataset.test=held_out.csv")

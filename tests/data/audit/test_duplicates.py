import random
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from rnn_bench.data.audit.join import NONE
from rnn_bench.data.audit.neighbours import band_keys, earlier_neighbours
from rnn_bench.data.audit.results import ExactDuplicates
from rnn_bench.data.audit.shingles import Shingles
from rnn_bench.data.audit.summary import findings
from tests.data.planted import WORDS, articles, audit_of, other, with_other_words


def test_planted_duplicates_and_near_duplicates_are_found_and_nothing_else(tmp_path: Path) -> None:
    train, test = articles(200, 0), articles(100, 1)
    contradicted, in_both = train[9], train[10]
    near_to_train, near_to_test = train[20][0], test[30][0]
    train += [train[0], train[0], train[1], (contradicted[0], other(contradicted[1]))]
    train += [(with_other_words(near_to_train, [30]), "real")]
    train += [(with_other_words(train[22][0], [20, 40]), "real")]  # two words of 60 are too many
    test += [test[0], train[5], train[6], train[5], (in_both[0], other(in_both[1]))]
    test += [(with_other_words(near_to_train, [40]), "fake")]
    test += [(with_other_words(near_to_test, [30]), "fake")]
    found = audit_of(tmp_path, train, test)
    assert found.duplicates == ExactDuplicates(
        within_train=4, within_test=2, test_in_train=4, contradicting=4
    )
    assert found.test_articles_in_train == [101, 102, 103, 104]
    near = found.near_duplicates
    assert (near.within_train, near.within_test, near.test_in_train) == (1, 1, 1)
    assert found.test_articles_near_train == [105]
    assert findings(found) == (
        "planted: 4 of 107 test articles also stand in the training file; "
        "1 of 107 test articles are near duplicates of training articles; "
        "4 articles have a text that also has another label"
    )


def test_an_equal_text_is_not_a_near_duplicate_too(tmp_path: Path) -> None:
    train, test = articles(60, 0), articles(30, 1)
    changed = (with_other_words(train[0][0], [30]), "fake")
    found = audit_of(tmp_path, [*train, changed, changed], [*test, changed, train[0]])
    assert found.near_duplicates.within_train == 1
    assert found.near_duplicates.test_in_train == 0
    assert found.test_articles_in_train == [30, 31]


def shingles_of(text: str) -> set[str]:
    words = text.split()
    return {" ".join(words[i : i + 5]) for i in range(max(1, len(words) - 4))} if words else set()


def neighbours(texts: Sequence[str]) -> list[int]:
    shingles, every = Shingles(texts), np.ones(len(texts), dtype=bool)
    return earlier_neighbours(shingles, band_keys(shingles), every, every).tolist()


def check_against_every_pair(texts: Sequence[str]) -> int:
    """Return how many texts have a near duplicate before them, which are the texts that should."""
    sets = [shingles_of(text) for text in texts]

    def near(one: int, other: int) -> bool:
        return len(sets[one] & sets[other]) >= 0.8 * len(sets[one] | sets[other]) > 0

    found = neighbours(texts)
    for text, neighbour in enumerate(found):
        others = [other for other in range(text) if near(text, other)]
        assert neighbour in (others or [NONE])
    return sum(neighbour != NONE for neighbour in found)


def test_near_duplicates_are_those_of_comparing_every_pair() -> None:
    chance = random.Random(3)
    texts = [text for text, _ in articles(30, 3)]
    for text in list(texts):
        for changes in range(1, 8):  # one word amounts to 0.84, the first or last few to more
            texts.append(with_other_words(text, chance.sample([0, 1, 2, 57, 58, 59], k=1)))
            texts.append(with_other_words(text, chance.sample(range(WORDS), k=changes)))
    assert check_against_every_pair([*dict.fromkeys(texts)]) > 100


def filled_in(template: str, letter: int, places: Sequence[int], names: int) -> str:
    """Return a letter of a template with as many different `names` for each place."""
    words = template.split()
    chance = random.Random(f"{template} {letter}")
    for place in places:
        words[place] = f"name{chance.randrange(names)}"
    return " ".join(words)


SHORTEST = 48  # words of the shortest template
TEMPLATED: dict[str, Callable[[random.Random, int], Sequence[int]]] = {
    "one place": lambda chance, letter: [7],
    "any place": lambda chance, letter: [chance.randrange(SHORTEST)],
    "two places": lambda chance, letter: [7, 40],
    "any two places": lambda chance, letter: chance.sample(range(SHORTEST), k=2),
    "up to five places": lambda chance, letter: chance.sample(range(SHORTEST), k=letter % 6),
}


@pytest.mark.parametrize("names", [1, 20, 10**9])
@pytest.mark.parametrize("places", TEMPLATED)
def test_letters_of_templates_are_compared_as_in_every_pair(places: str, names: int) -> None:
    """Hundreds of texts that are all candidates of each other, near ones or not."""
    chance = random.Random(0)
    templates = [text for text, _ in articles(2, 0)]
    templates.append(" ".join(templates[0].split()[:SHORTEST]))
    texts = [
        filled_in(template, letter, TEMPLATED[places](chance, letter), names)
        for letter in range(150)
        for template in templates
    ]
    check_against_every_pair([*dict.fromkeys(texts)])


def test_five_thousand_letters_of_a_template_are_counted(tmp_path: Path) -> None:
    """All their pairs would be twelve million, and take an hour to compare."""
    (template, _), *_ = articles(1, 0)
    letters = [(filled_in(template, i, [30], 10**9), "real") for i in range(5000)]
    unlike = [(filled_in(template, i, range(0, WORDS, 9), 10**9), "fake") for i in range(5000)]
    found = audit_of(tmp_path, letters[:4000] + unlike[:4000], letters[4000:] + unlike[4000:])
    near = found.near_duplicates
    assert (near.within_train, near.within_test, near.test_in_train) == (3999, 999, 1000)
    assert found.test_articles_near_train == [*range(1000)]
    assert "texts are counted, not their pairs" in near.method


def test_texts_of_no_or_few_words_can_be_compared() -> None:
    assert neighbours(["", "  ", "one two", "one  two", "one three"]) == [-1, -1, -1, 2, -1]
    assert neighbours([]) == []
    assert neighbours(["", " "]) == [-1, -1]

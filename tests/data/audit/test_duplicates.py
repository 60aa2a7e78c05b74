import itertools
import random
from pathlib import Path

from rnn_bench.data.audit.duplicates import jaccard, near_pairs, shingles
from rnn_bench.data.audit.results import ExactDuplicates
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


def test_near_pairs_are_those_of_comparing_every_pair() -> None:
    chance = random.Random(3)
    texts = [text for text, _ in articles(30, 3)]
    for text in list(texts):
        for changes in range(1, 8):  # one word amounts to 0.84, the first or last few to more
            texts.append(with_other_words(text, chance.sample([0, 1, 2, 57, 58, 59], k=1)))
            texts.append(with_other_words(text, chance.sample(range(WORDS), k=changes)))
    texts = list(dict.fromkeys(texts))
    sets = [shingles(text) for text in texts]
    every = itertools.combinations(range(len(texts)), 2)
    expected = {(b, a) for a, b in every if jaccard(sets[a], sets[b]) >= 0.8}
    assert len(expected) > 100
    assert set(near_pairs(texts)) == expected


def test_texts_of_no_or_few_words_can_be_compared() -> None:
    assert near_pairs(["", "  ", "one two", "one  two", "one three"]) == [(3, 2)]

"""Count the articles of a corpus whose texts are equal or similar."""

import numpy as np

from rnn_bench.data.audit.join import NONE
from rnn_bench.data.audit.neighbours import BANDS, ROWS, THRESHOLD, band_keys, earlier_neighbours
from rnn_bench.data.audit.results import ExactDuplicates, NearDuplicates
from rnn_bench.data.audit.shingles import SHINGLE_WORDS, Shingles
from rnn_bench.data.corpus import Articles

METHOD = (
    f"Jaccard similarity of at least {THRESHOLD} between sets of {SHINGLE_WORDS}-word shingles; "
    f"candidates by MinHash LSH ({BANDS} bands of {ROWS} values), verified exactly until a text "
    "has one near duplicate: texts are counted, not their pairs"
)


def exact_duplicates(articles: Articles) -> tuple[ExactDuplicates, list[int]]:
    """Return the counts of equal texts, and the positions in the test file of the articles whose
    text is a training article's."""
    (train, train_labels), (test, test_labels) = articles.train, articles.test
    train_texts = set(train)
    in_train = [position for position, text in enumerate(test) if text in train_texts]
    labels: dict[str, int] = {}
    labelled = [*zip(train, train_labels, strict=True), *zip(test, test_labels, strict=True)]
    contradicted = {text for text, label in labelled if labels.setdefault(text, label) != label}
    counts = ExactDuplicates(
        within_train=len(train) - len(train_texts),
        within_test=len(test) - len(set(test)),
        test_in_train=len(in_train),
        contradicting=sum(text in contradicted for text, _ in labelled),
    )
    return counts, in_train


def near_duplicates(articles: Articles) -> tuple[NearDuplicates, list[int]]:
    """Return the counts of similar texts, and the positions in the test file of the articles that
    are similar to a training article and equal to none."""
    train, test = articles.train[0], articles.test[0]
    places = {text: place for place, text in enumerate(dict.fromkeys([*train, *test]))}
    in_train, in_test = np.zeros((2, len(places)), dtype=bool)
    in_train[[places[text] for text in train]] = True
    in_test[[places[text] for text in test]] = True
    shingles = Shingles([*places])
    keys = band_keys(shingles)
    near_train = earlier_neighbours(shingles, keys, in_train | in_test, in_train) != NONE
    near_test = earlier_neighbours(shingles, keys, in_test, in_test) != NONE
    across = near_train & ~in_train
    positions = [position for position, text in enumerate(test) if across[places[text]]]
    counts = NearDuplicates(
        threshold=THRESHOLD,
        method=METHOD,
        within_train=int((near_train & in_train).sum()),
        within_test=int(near_test.sum()),
        test_in_train=len(positions),
    )
    return counts, positions

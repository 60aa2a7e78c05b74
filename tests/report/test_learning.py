"""Learning curves over the share of the training articles."""

from itertools import chain

import pytest

from rnn_bench.report.learning import learning_curves, name_sizes, without_size
from rnn_bench.report.sections.learning import learning_section
from tests.report.hand_made import Answer, over_seeds, results_of

SIZES = (0.05, 0.1, 0.2, 1)
CURVES = {"gru": (0.6, 0.75, 0.9, 0.95), "tfidf": (0.8, 0.8, 0.81, 0.82)}


def curves(seeds: int = 3, dataset: str = "trec") -> list[Answer]:
    points = (
        over_seeds(model, share, seeds, dataset=dataset, train_size=size, train=int(1000 * size))
        for model, shares in CURVES.items()
        for size, share in zip(SIZES, shares, strict=True)
    )
    return [*chain(*points)]


def test_the_section_says_where_one_model_overtakes_another() -> None:
    found = learning_section(results_of(*curves()))
    assert found is not None
    assert found.text == [
        "On trec, tfidf is better than gru up to 0.1 of the training articles, gru is better from "
        "0.2 on."
    ]
    accuracy, verdicts = found.tables
    assert accuracy.columns == ("model", "0.05 (50)", "0.1 (100)", "0.2 (200)", "1 (1,000)")
    assert [row[0] for row in accuracy.rows] == ["gru", "tfidf"], "the best with all articles first"
    assert str(accuracy.rows[0][1]).startswith("0.600 (0.5")
    assert verdicts.rows == [("gru", "tfidf", "tfidf", "tfidf", "gru", "gru")]
    (figure,) = found.figures
    assert "tfidf is better than gru up to 0.1" in figure.text


def test_trained_models_alone_overtake_nothing() -> None:
    found = learning_section(results_of(*curves(seeds=2)))
    assert found is not None
    assert found.text == ["On trec no model is seen to overtake another."]


def test_each_corpus_has_its_curve_and_one_share_is_none() -> None:
    several = results_of(*curves(), *curves(dataset="demo"))
    assert [each.title for each in learning_curves(several)] == ["demo", "trec"]
    assert learning_section(results_of(*over_seeds("gru", 0.9, train_size=0.1))) is None


@pytest.mark.parametrize(
    ("some", "words"),
    [
        ([0.05], "up to 0.05"),
        ([0.05, 0.1], "up to 0.1"),
        ([0.2, 1], "from 0.2 on"),
        ([1], "with all of them"),
        ([0.1], "with 0.1"),
        ([0.05, 0.2], "with 0.05 and 0.2"),
    ],
)
def test_shares_are_named_as_what_they_are(some: list[float], words: str) -> None:
    assert name_sizes(some, SIZES) == words


@pytest.mark.parametrize(
    ("corpus", "title"),
    [
        ("trec", "trec"),
        ("trec (train_size 0.1)", "trec"),
        ("trec (train_size 0.1, protocol fair)", "trec (protocol fair)"),
        ("trec (cue_distance 4, train_size 1.0)", "trec (cue_distance 4)"),
        ("trec (train_size 1e-05)", "trec"),
    ],
)
def test_a_corpus_is_named_without_its_share(corpus: str, title: str) -> None:
    assert without_size(corpus) == title

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from jaxtyping import Bool
from scipy import stats

from rnn_bench.report.statistics import (
    BETTER,
    UNDECIDED,
    WORSE,
    Correctness,
    accuracy_of,
    compare_all,
    expected_best,
    mean_over_seeds,
    share_of_articles,
    within_shares,
)

FEW = 200  # resamples, where a property holds for any number of them
EXAMPLES = settings(max_examples=40, deadline=None)


def answers(
    name: str, correct: Bool[np.ndarray, "seeds articles"], is_random: bool = True
) -> Correctness:
    return Correctness(name, f"key of {name}", np.zeros(correct.shape[1], int), correct, is_random)


def trained(
    name: str, accuracies: list[float], articles: int = 400, is_random: bool = True, seed: int = 0
) -> Correctness:
    """A row for each accuracy, with the errors on random articles."""
    random = np.random.default_rng(seed)
    rows = [random.permutation(articles) < round(each * articles) for each in accuracies]
    return answers(name, np.stack(rows), is_random)


def rows(seeds: int, articles: int) -> st.SearchStrategy[Bool[np.ndarray, "seeds articles"]]:
    return arrays.arrays(np.bool_, (seeds, articles))


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Correctness, Correctness]:
    articles = draw(st.integers(1, 30))
    first, second = (
        answers(name, draw(rows(draw(st.integers(1, 4)), articles)), draw(st.booleans()))
        for name in "ab"
    )
    return first, second


# --- one model ----------------------------------------------------------------------------------


@given(st.lists(st.floats(0, 1), min_size=2, max_size=10))
def test_the_mean_over_seeds_has_student_s_t_interval(values: list[float]) -> None:
    assume(np.std(values) > 1e-6)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    estimate = mean_over_seeds(values)
    assert estimate.value == pytest.approx(np.mean(values))
    assert (estimate.low, estimate.high) == pytest.approx((expected.low, expected.high))
    assert estimate.n == len(values)
    assert estimate.method == f"Student's t interval over {len(values)} seeds"


def test_equal_seeds_have_an_interval_without_width() -> None:
    estimate = mean_over_seeds([0.25, 0.25, 0.25])
    assert (estimate.low, estimate.value, estimate.high) == (0.25, 0.25, 0.25)


def test_an_accuracy_s_interval_stays_within_what_a_share_can_be() -> None:
    estimate = accuracy_of(trained("gru", [0.5, 1.0]))
    assert (estimate.low, estimate.value, estimate.high) == (0, 0.75, 1)
    assert np.isnan([within_shares(mean_over_seeds([0.9])).low]).all()


def test_one_seed_has_no_interval() -> None:
    estimate = mean_over_seeds([0.9])
    assert estimate.value == 0.9
    assert np.isnan([estimate.low, estimate.high]).all()
    assert estimate.method.startswith("one seed, no interval")


@pytest.mark.parametrize("lost", [np.nan, np.inf])
def test_a_diverged_run_leaves_no_interval(lost: float) -> None:
    estimate = mean_over_seeds([0.7, lost, 0.6])
    assert not np.isfinite([estimate.value, estimate.low, estimate.high]).any()


def test_a_share_of_articles_has_wilson_s_interval() -> None:
    # Wilson 1927, solved by hand for 8 of 10 with z = 1.959964.
    estimate = share_of_articles(np.arange(10) < 8)
    assert estimate.value == 0.8
    assert (estimate.low, estimate.high) == pytest.approx((0.4901625, 0.9433178), abs=1e-6)
    assert estimate.method == "Wilson interval over 10 test articles"


def test_no_articles_have_no_share() -> None:
    estimate = share_of_articles(np.array([], dtype=bool))
    assert np.isnan(estimate.value)
    assert estimate.n == 0


def test_an_accuracy_says_what_its_interval_is_over() -> None:
    seeds = accuracy_of(trained("gru", [0.9, 0.8, 0.85]))
    assert (seeds.value, seeds.n) == (pytest.approx(0.85), 3)
    once = accuracy_of(trained("gru", [0.9]))
    assert (once.value, once.n) == (0.9, 400)
    assert "one seed" in once.method
    fixed = accuracy_of(
        answers("tfidf", np.tile(trained("tfidf", [0.9]).correct, (3, 1)), is_random=False)
    )
    assert (fixed.value, fixed.n) == (0.9, 400)
    assert "all seeds give the same model" in fixed.method


# --- two models ---------------------------------------------------------------------------------


@EXAMPLES
@given(pairs())
def test_swapped_models_mirror(pair: tuple[Correctness, Correctness]) -> None:
    (one,), (other,) = compare_all(pair, FEW), compare_all(pair[::-1], FEW)
    assert (one.first, one.second) == (other.second, other.first)
    assert one.difference == -other.difference
    assert (one.low, one.high) == (-other.high, -other.low)
    assert (one.p, one.corrected_p) == (other.p, other.corrected_p)
    assert one.probability == pytest.approx(1 - other.probability)
    assert one.relation(one.first) == other.relation(one.first)
    mirrored = {BETTER: WORSE, WORSE: BETTER, UNDECIDED: UNDECIDED}
    assert one.relation(one.second) == mirrored[one.relation(one.first)]


@EXAMPLES
@given(pairs())
def test_a_comparison_is_a_coherent_answer(pair: tuple[Correctness, Correctness]) -> None:
    (each,) = compare_all(pair, FEW)
    assert -1 <= each.low <= each.difference <= each.high <= 1
    assert 0 <= each.p <= each.corrected_p <= 1
    assert 0 <= each.probability <= 1
    assert each.is_significant == (each.relation(each.first) != UNDECIDED)


@EXAMPLES
@given(pairs())
def test_models_with_the_same_answers_cannot_be_told_apart(
    pair: tuple[Correctness, Correctness],
) -> None:
    first = pair[0]
    for second in (first, replace(first, name="other", key="another key")):
        (each,) = compare_all([first, second], FEW)
        assert (each.difference, each.p, each.probability) == (0, 1, 0.5)
        assert each.relation(first.name) == UNDECIDED


def test_a_bootstrap_over_articles_only_agrees_with_scipy_s() -> None:
    first, second = (
        trained(name, [accuracy], is_random=False, seed=seed)
        for seed, (name, accuracy) in enumerate({"tfidf": 0.85, "majority": 0.8}.items())
    )
    (each,) = compare_all([first, second])
    by_article = first.correct[0].astype(float) - second.correct[0]
    expected = stats.bootstrap(
        (by_article,), np.mean, n_resamples=10_000, method="percentile", rng=1
    )
    width = expected.confidence_interval.high - expected.confidence_interval.low
    assert each.difference == pytest.approx(0.05)
    assert each.low == pytest.approx(expected.confidence_interval.low, abs=0.04 * width)
    assert each.high == pytest.approx(expected.confidence_interval.high, abs=0.04 * width)
    assert each.p == pytest.approx(stats.ttest_1samp(by_article, 0).pvalue, rel=0.1)
    assert "articles only" in each.method
    assert "tfidf without randomness, majority without randomness" in each.method
    assert (each.seeds, each.articles) == ("1 fit and 1 fit", 400)


def test_seeds_that_differ_much_give_welch_s_t_test() -> None:
    """Each training is right on all articles or on none: only seeds matter, each model's own."""
    first, second = np.array([1, 1, 1, 0]), np.array([1, 0, 0, 0])
    articles = np.ones(50, dtype=bool)
    (each,) = compare_all(
        [
            answers(name, right.astype(bool)[:, None] & articles)
            for name, right in {"a": first, "b": second}.items()
        ]
    )
    expected = stats.ttest_ind(first, second, equal_var=False)
    interval = expected.confidence_interval(0.95)
    assert interval.high > 1  # which no difference of accuracies can be
    assert each.difference == pytest.approx(0.75 - 0.25)
    assert each.p == pytest.approx(expected.pvalue, rel=0.05)
    assert (each.low, each.high) == pytest.approx((interval.low, 1), rel=0.05)
    assert each.probability == pytest.approx((9 + (3 + 3) / 2) / 16)
    assert "over seeds of a and of b and test articles (10,000 resamples)" in each.method
    assert (each.seeds, each.articles) == ("4 and 4", 50)


@pytest.mark.parametrize("spread", [0.0, 0.1])
def test_two_seeds_do_not_find_differences_that_are_not_there(spread: float) -> None:
    random = np.random.default_rng(0)
    trials, found = 300, 0
    for _ in range(trials):
        models = []
        for name in "ab":
            ability = 0.7 + random.uniform(-spread, spread, size=(2, 1))
            models.append(answers(name, random.random((2, 100)) < ability))
        found += compare_all(models, FEW)[0].p < 0.05
    assert stats.binomtest(found, trials, 0.05, alternative="greater").pvalue > 0.01


@pytest.mark.parametrize("articles", [1, 4, 12])
def test_articles_that_all_say_the_same_are_as_good_as_their_number(articles: int) -> None:
    right, wrong = np.ones((3, articles), dtype=bool), np.zeros((3, articles), dtype=bool)
    (each,) = compare_all([answers("a", right), answers("b", wrong)], FEW)
    assert (each.low, each.difference, each.high) == (1, 1, 1)
    assert each.p == pytest.approx(stats.binomtest(articles, articles).pvalue)
    assert each.is_significant == (articles == 12)


def test_seeds_tell_apart_what_articles_show_clearly() -> None:
    (each,) = compare_all(
        [trained("gru", [0.99, 0.98, 0.985], 1000), trained("rnn", [0.5, 0.51, 0.49], 1000)]
    )
    assert each.relation("gru") == BETTER
    assert not each.one_seed
    assert each.corrected_p < 1e-6
    assert each.probability == 1


def test_a_model_without_randomness_counts_once() -> None:
    gru, tfidf = trained("gru", [0.9, 0.85, 0.8]), trained("tfidf", [0.8], is_random=False)
    thrice = replace(tfidf, correct=np.tile(tfidf.correct, (3, 1)))
    assert compare_all([gru, tfidf], FEW) == compare_all([gru, thrice], FEW)
    (each,) = compare_all([gru, thrice], FEW)
    assert not each.one_seed
    assert "over seeds of gru and test articles" in each.method
    assert "tfidf without randomness" in each.method


def test_a_baseline_whose_seeds_differ_has_randomness() -> None:
    forest = trained("forest", [0.9, 0.8], is_random=False)
    (each,) = compare_all([forest, trained("gru", [0.8, 0.7])], FEW)
    assert "over seeds of forest and of gru" in each.method


# --- one seed -----------------------------------------------------------------------------------


@EXAMPLES
@given(rows(2, 40), st.booleans())
def test_one_seed_each_gets_the_exact_mcnemar_test(
    correct: Bool[np.ndarray, "2 40"], against_a_baseline: bool
) -> None:
    first, second = answers("a", correct[:1]), answers("b", correct[1:], not against_a_baseline)
    (each,) = compare_all([first, second], FEW)
    only_first = int((correct[0] & ~correct[1]).sum())
    discordant = int((correct[0] ^ correct[1]).sum())
    expected = stats.binomtest(only_first, discordant).pvalue if discordant else 1
    assert each.p == pytest.approx(expected)
    assert each.method.startswith("exact McNemar test")
    assert each.one_seed


def test_one_seed_against_many_speaks_of_that_training_only() -> None:
    (each,) = compare_all([trained("a", [0.9]), trained("b", [0.5, 0.55, 0.6])])
    assert each.relation("a") == BETTER
    assert each.one_seed
    assert "over seeds of b and test articles" in each.method
    assert "a with one seed" in each.method


# --- many models --------------------------------------------------------------------------------


def test_p_values_are_corrected_over_the_pairs_of_a_corpus() -> None:
    models = [
        trained(name, [accuracy, accuracy + 0.02, accuracy - 0.01], seed=seed)
        for seed, (name, accuracy) in enumerate({"a": 0.9, "b": 0.85, "c": 0.82}.items())
    ]
    comparisons = compare_all(models)
    assert [each.first + each.second for each in comparisons] == ["ab", "ac", "bc"]
    # Holm 1979: the smallest times 3, the next times 2, never falling.
    ordered = sorted(comparisons, key=lambda each: each.p)
    expected, largest = [], 0.0
    for place, each in enumerate(ordered):
        largest = max(largest, min(1, (3 - place) * each.p))
        expected.append(largest)
    assert [each.corrected_p for each in ordered] == pytest.approx(expected)
    assert all(each.method.endswith("Holm over 3 pairs; splits fixed") for each in comparisons)


def test_a_pair_s_numbers_do_not_depend_on_the_other_models() -> None:
    a, b, c = (trained(name, [0.8, 0.82], seed=seed) for seed, name in enumerate("abc"))
    (alone,), together = compare_all([c, a], FEW), compare_all([a, b, c], FEW)[1]
    assert (alone.p, alone.low) == (together.p, -together.high)


def test_one_model_has_nothing_to_be_compared_with() -> None:
    assert compare_all([trained("a", [0.8, 0.9])]) == []
    assert compare_all([]) == []


@pytest.mark.parametrize("labels", [np.zeros(399, int), np.ones(400, int)])
def test_other_test_articles_cannot_be_compared(labels: np.ndarray) -> None:
    here = trained("a", [0.8])
    there = Correctness("b", "key of b", labels, trained("b", [0.8], len(labels)).correct)
    with pytest.raises(ValueError, match=re.escape("a and b were tested on different articles")):
        compare_all([here, there])


def test_the_expected_best_of_trials_is_that_of_dodge_et_al() -> None:
    assert expected_best([0.3, 0.1, 0.2])[1] == pytest.approx(0.24444, abs=5e-6)


@EXAMPLES
@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_the_expected_best_is_the_mean_over_all_draws(values: list[float]) -> None:
    drawn = [max(values[i], values[j]) for i in range(len(values)) for j in range(len(values))]
    found = [expected_best(values), expected_best(sorted(values))]
    assert found[0] == pytest.approx(found[1])
    assert found[0][0] == pytest.approx(float(np.mean(values)))
    if len(values) > 1:
        assert found[0][1] == pytest.approx(float(np.mean(drawn)))

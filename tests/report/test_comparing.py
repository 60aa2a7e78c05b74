"""Verdicts on pairs of models, and the best of several."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from jaxtyping import Float
from scipy import stats

from rnn_bench.report.comparing import (
    BETTER,
    EQUIVALENT,
    UNDECIDED,
    WORSE,
    Comparison,
    best_of,
    compare_all,
    is_paired,
)
from rnn_bench.report.intervals import clopper_pearson
from rnn_bench.report.outcomes import Outcomes
from rnn_bench.report.power import power, smallest_shift
from rnn_bench.report.statistics import estimate

Rows = Float[np.ndarray, "seeds articles"]


def answers(name: str, *splits: Rows, **options: object) -> Outcomes:
    labels = tuple(np.zeros(each.shape[1], dtype=int) for each in splits)
    values = tuple(each.astype(float) for each in splits)
    seeds = tuple(map(str, range(len(splits[0]))))
    return Outcomes(name, f"key of {name}", values, labels, seeds, **options)  # type: ignore[arg-type]


def trained(
    name: str, accuracies: list[float], articles: int = 2000, seed: int = 0, **options: object
) -> Outcomes:
    """A row for each accuracy, with the errors on random articles."""
    random = np.random.default_rng(seed)
    rows = [random.permutation(articles) < round(each * articles) for each in accuracies]
    return answers(name, np.stack(rows), **options)


def compare(first: Outcomes, second: Outcomes, margin: float = 0.01) -> Comparison:
    (found,) = compare_all([first, second], margin)
    return found


def test_a_clear_difference_is_better_and_worse() -> None:
    found = compare(trained("gru", [0.95, 0.96, 0.955]), trained("rnn", [0.7, 0.72, 0.71], seed=1))
    assert found.relation("gru") == BETTER
    assert found.relation("rnn") == WORSE
    assert found.difference == pytest.approx(0.245)
    assert 0 < found.low < found.difference < found.high
    assert not found.of_models
    assert found.superiority is not None
    assert found.superiority[0] == 1
    assert found.superiority[1] < 0.7  # three seeds of each say little of others


def losses(name: str, means: list[float], articles: int = 500, seed: int = 0) -> Outcomes:
    """A row for each mean loss, around which articles vary."""
    random = np.random.default_rng(seed)
    rows = np.array(means)[:, None] * random.exponential(size=(len(means), articles))
    return answers(name, rows, is_loss=True)


def test_of_losses_the_lower_is_better() -> None:
    low, high = losses("gru", [0.2, 0.22, 0.21]), losses("rnn", [3.0, 3.2, 3.1], seed=1)
    found = compare(low, high)
    assert found.relation("gru") == BETTER
    assert best_of(["rnn", "gru"], [found]) == ["gru"]
    assert found.difference < -2
    assert found.low < found.difference < found.high < -1  # beyond what shares can differ by
    assert found.superiority is not None
    assert found.superiority[0] == 1
    assert compare(high, low).relation("gru") == BETTER


def test_losses_have_the_intervals_of_student_s_t() -> None:
    """Of one training over articles, and of seeds that alone make the losses differ; of a mean
    loss that of its logarithm, whose standard error is sem / mean."""
    one = losses("tfidf", [1.5])
    (row,) = one.splits[0]
    found = estimate(replace(one, is_random=False))
    spread = stats.sem(row) / row.mean()
    expected = stats.t.interval(0.95, len(row) - 1, np.log(row.mean()), spread)
    assert (found.low, found.high) == pytest.approx(np.exp(expected))
    assert found.over == "500 articles"
    seeds = [0.5, 0.7, 0.9, 1.4]
    found = estimate(answers("gru", np.repeat([seeds], 100, axis=0).T, is_loss=True))
    spread = stats.sem(seeds) / np.mean(seeds)
    expected = stats.t.interval(0.95, 3, np.log(np.mean(seeds)), spread)
    assert (found.low, found.high) == pytest.approx(np.exp(expected))
    apart = compare(losses("nbsvm", [0.4]), losses("tfidf", [0.5], seed=1))
    paired = losses("nbsvm", [0.4]).splits[0] - losses("tfidf", [0.5], seed=1).splits[0]
    assert apart.p == pytest.approx(stats.ttest_1samp(paired[0], 0).pvalue)


def test_seeds_that_differ_much_decide_nothing() -> None:
    found = compare(trained("rnn", [0.5, 0.5, 0.97]), trained("gru", [0.97, 0.96, 0.97], seed=1))
    assert found.relation("rnn") == UNDECIDED
    assert found.low < 0 < found.high
    assert found.smallest > 0.5


def test_a_small_difference_on_many_articles_is_equivalent() -> None:
    base = np.random.default_rng(0).permutation(20_000) < 19_000
    rows = [base.copy() for _ in range(6)]
    for number, row in enumerate(rows):
        row[number * 10 : number * 10 + 10] ^= True
    found = compare(answers("gru", np.stack(rows[:3])), answers("lstm", np.stack(rows[3:])))
    assert found.relation("gru") == found.relation("lstm") == EQUIVALENT
    wide = compare(
        answers("gru", np.stack(rows[:3])), answers("lstm", np.stack(rows[3:])), margin=1e-6
    )
    assert wide.relation("gru") == UNDECIDED


def test_the_p_value_of_equivalence_is_that_of_two_one_sided_t_tests() -> None:
    """Where seeds alone decide: each seed is right or wrong on a block of all articles at once."""
    from statsmodels.stats.weightstats import ttost_ind

    first = np.array([0.5, 0.52, 0.49, 0.51])
    second = np.array([0.505, 0.515, 0.5, 0.495])
    rows = [np.repeat(each[:, None], 500, axis=1) for each in (first, second)]
    found = compare(answers("a", rows[0]), answers("b", rows[1]), margin=0.02)
    # Welch's degrees of freedom, as the variances are not pooled.
    expected = ttost_ind(first, second, -0.02, 0.02, usevar="unequal")[0]
    assert found.equivalence_p == pytest.approx(expected)
    assert found.p == pytest.approx(stats.ttest_ind(first, second, equal_var=False).pvalue)
    interval = stats.ttest_ind(first, second, equal_var=False).confidence_interval()
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_seeds_that_share_the_order_of_batches_are_paired_from_five_on() -> None:
    first, second = (
        np.linspace(0.5, 0.9, 5),
        np.linspace(0.5, 0.9, 5) - [0.02, 0.01, 0.02, 0.03, 0.02],
    )
    rows = [np.repeat(each[:, None], 100, axis=1) for each in (first, second)]
    models = [
        answers(name, each, shares_batches=True) for name, each in zip("ab", rows, strict=True)
    ]
    found = compare(*models)
    assert is_paired(*models)
    assert found.method == "paired seeds"
    assert found.p == pytest.approx(stats.ttest_rel(first, second).pvalue)
    few = [answers(each.name, each.splits[0][:4], shares_batches=True) for each in models]
    assert not is_paired(*few)
    assert compare(*few).method == "seeds"
    assert not is_paired(models[0], answers("c", rows[1]))


def test_splits_have_the_corrected_resampled_t() -> None:
    random = np.random.default_rng(0)
    splits = [[(random.random((2, 50)) < 0.8).astype(float) for _ in range(10)] for _ in "ab"]
    models = [
        answers(name, *each, train_articles=200.0) for name, each in zip("ab", splits, strict=True)
    ]
    found = compare(*models)
    differences = np.array([a.mean() - b.mean() for a, b in zip(*splits, strict=True)])
    error = np.sqrt((1 / 10 + 50 / 200) * differences.var(ddof=1))
    assert found.p == pytest.approx(2 * stats.t.sf(abs(differences.mean()) / error, 9))
    assert found.method == "splits"


def test_fewer_than_three_seeds_compare_trained_models() -> None:
    found = compare(trained("gru", [0.9]), trained("rnn", [0.6], seed=1))
    assert found.of_models
    assert found.method == "McNemar"
    assert found.superiority is None
    assert found.relation("gru") == BETTER
    two = compare(trained("gru", [0.9, 0.91]), trained("rnn", [0.6, 0.61], seed=1))
    assert two.of_models
    assert two.more_seeds is None
    assert best_of(["gru", "rnn"], [found]) == ["gru", "rnn"]


def test_fixed_models_need_no_seeds() -> None:
    rows = [np.arange(400)[None] % 10 < share for share in (9, 5)]
    models = [
        answers(name, np.repeat(each, 3, axis=0), is_random=False)
        for name, each in zip(("tfidf", "majority"), rows, strict=True)
    ]
    found = compare(*models)
    assert not found.of_models
    assert best_of(["tfidf", "majority"], [found]) == ["tfidf"]
    network = trained("gru", [0.8], articles=400)
    assert compare(network, models[0]).of_models


def test_verdicts_are_corrected_over_the_pairs() -> None:
    models = [trained(name, [0.9, 0.91, 0.9], seed=ord(name)) for name in "abcd"]
    found = compare_all(models)
    assert len(found) == 6
    smallest = min(found, key=lambda each: each.p)
    assert smallest.corrected_p == pytest.approx(min(1, 6 * smallest.p))
    ordered = sorted(found, key=lambda each: each.p)
    assert all(a.corrected_p <= b.corrected_p for a, b in pairwise(ordered))


def test_the_best_are_those_that_none_is_better_than() -> None:
    models = [
        trained("gru", [0.95, 0.951, 0.949]),
        trained("lstm", [0.949, 0.951, 0.95], seed=1),
        trained("rnn", [0.7, 0.7, 0.71], seed=2),
    ]
    found = compare_all(models)
    assert best_of(["gru", "lstm", "rnn"], found) == ["gru", "lstm"]


def test_one_of_ten_equal_models_is_among_the_best_in_nearly_all_sweeps() -> None:
    random, found = np.random.default_rng(4), []
    for _ in range(40):
        difficulty = random.normal(size=200)
        models = [
            answers(str(model), difficulty + of_seeds + random.normal(size=(3, 200)) > -1.6)
            for model, of_seeds in enumerate(0.1 * random.normal(size=(10, 3, 1)))
        ]
        found.append("0" in best_of([each.name for each in models], compare_all(models)))
    assert np.mean(found) >= 0.95


def test_models_that_agree_everywhere_have_an_interval_all_the_same() -> None:
    rows = np.repeat(np.arange(50)[None] < 48, 3, axis=0)
    found = compare(answers("gru", rows), answers("lstm", rows))
    assert found.difference == 0
    assert found.low < 0 < found.high
    assert found.relation("gru") == UNDECIDED  # 50 articles are too few for 0.01


def test_other_articles_are_refused() -> None:
    with pytest.raises(ValueError, match="tested on different articles: 400 and 300"):
        compare_all([trained("a", [0.5], 400), trained("b", [0.5], 300)])


def test_seventeen_seeds_find_a_difference_of_one_standard_deviation() -> None:
    from statsmodels.stats.power import TTestIndPower

    variance = 0.00855**2
    assert power(0.0086, [variance] * 2, 17) >= 0.8 > power(0.0086, [variance] * 2, 16)
    for seeds in (3, 5, 17, 40):
        expected = TTestIndPower().power(0.0086 / 0.00855, seeds, 0.05)
        assert power(0.0086, [variance] * 2, seeds) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("errors", [7, 9, 15, 29, 60])
def test_a_difference_of_many_standard_errors_needs_no_more_seeds(errors: int) -> None:
    random = np.random.default_rng(0)
    freedom, noise = 8, random.normal(size=100_000)  # of 5 seeds each
    found = noise + errors > stats.t.isf(0.025, freedom) * np.sqrt(
        random.chisquare(freedom, 100_000) / freedom
    )
    assert power(errors * np.sqrt(2 / 5), [1.0, 1.0], 5) == pytest.approx(found.mean(), abs=1e-3)
    spread = 0.01 * np.array([-1.0, 0.0, 1.0, 0.0, 0.0])
    away = errors * np.sqrt(2 * spread.var(ddof=1) / 5)
    rows = [np.repeat(each[:, None], 100, axis=1) for each in (0.3 + spread, 0.3 + spread + away)]
    assert compare(answers("a", rows[0]), answers("b", rows[1])).more_seeds == 0


def test_more_seeds_are_told_that_would_separate_two_models() -> None:
    # Constant rows: seeds alone decide, so that the number is that of a t test.
    spread = np.array([-1.0, 0.0, 1.0]) * 0.00855
    rows = [np.repeat(each[:, None], 100, axis=1) for each in (0.9 + spread, 0.9086 + spread)]
    found = compare(answers("a", rows[0]), answers("b", rows[1]))
    assert found.relation("a") == UNDECIDED
    assert found.more_seeds == 17 - 3
    # Where test articles limit, no number of seeds is told.
    few = compare(
        trained("a", [0.9, 0.905, 0.9], articles=60), trained("b", [0.91, 0.9, 0.91], 60, seed=1)
    )
    assert few.more_seeds is None


@pytest.mark.parametrize("count", [1, 3])
def test_unlearned_seeds_have_clopper_and_pearson_s_interval(count: int) -> None:
    expected = stats.binomtest(count, 3).proportion_ci(method="exact")
    assert clopper_pearson(count, 3) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize("splits", [1, 2, 5])
@pytest.mark.parametrize("value", [1.0, 0.7])  # of right answers; of another metric
def test_models_with_the_same_values_have_an_interval_of_their_articles(
    splits: int, value: float
) -> None:
    rows = [np.tile(value * (np.arange(60) % 2), (3, 1))] * splits
    first, second = (answers(name, *rows, train_articles=240) for name in ("a", "b"))
    found = compare(first, second, margin=0.001)
    z2, n = stats.norm.ppf(0.975) ** 2, 60 * splits
    assert found.high == pytest.approx(z2 / (n + z2))  # where the score of no differing one is z
    assert found.low == pytest.approx(-found.high)
    assert found.relation("a") == UNDECIDED
    assert 1 - stats.binom.cdf(3, n, found.smallest) == pytest.approx(0.8)


def test_splits_whose_differences_are_alike_are_compared_by_their_articles() -> None:
    splits = [[np.tile(np.arange(5) < right, (3, 1))] * 3 for right in (4, 3)]
    first, second = (answers(name, *of) for name, of in zip("ab", splits, strict=True))
    found = compare(first, second)
    assert -0.5 < found.low < 0.2 < found.high < 0.7


def test_three_articles_find_no_difference() -> None:
    rows = np.ones((3, 3), dtype=bool)
    assert compare(answers("a", rows), answers("b", rows)).smallest == float("inf")


@pytest.mark.parametrize("freedom", [2, 4, 18, 1e9])
@pytest.mark.parametrize("level", [0.05, 0.05 / 15])
def test_the_smallest_difference_has_the_power_of_the_noncentral_t(
    freedom: float, level: float
) -> None:
    shift = smallest_shift(freedom, level)
    found = stats.nct if freedom < 1e9 else stats.norm
    bound = stats.t.ppf(1 - level / 2, freedom)
    shape = (freedom, shift) if freedom < 1e9 else (shift,)
    assert 1 - found.cdf(bound, *shape) == pytest.approx(0.8, abs=1e-5)


def test_the_smallest_difference_is_found_in_most_sweeps_of_several_models() -> None:
    random = np.random.default_rng(5)

    def sweep(more: float) -> Comparison:
        shares = [0.8 + more, *[0.8] * 5]
        return compare_all(
            [answers(str(n), random.random((5, 300)) < p) for n, p in enumerate(shares)], 0.01
        )[0]

    smallest = float(np.mean([sweep(0).smallest for _ in range(8)]))
    found = np.mean([sweep(smallest).is_different for _ in range(40)])
    assert 0.65 < found < 0.99
    assert np.mean([sweep(smallest / 2).is_different for _ in range(40)]) < 0.5


def test_models_are_compared_on_the_splits_that_both_have() -> None:
    random = np.random.default_rng(2)
    names = ("fold 0", "fold 1", "fold 2", "fold 3")
    first = [random.random((3, 50)) < 0.9 for _ in names]
    second = [random.random((3, 50)) < 0.6 for _ in names]
    whole = answers("a", *first, split_names=names, train_articles=150)
    part = answers("b", *second[1:], split_names=names[1:], train_articles=150)
    same = answers("a", *first[1:], split_names=names[1:], train_articles=150)
    assert compare(whole, part) == compare(same, part)
    other = answers("b", second[0], split_names=("fold 9",))
    assert compare_all([whole, other], 0.01) == []


def test_the_best_set_has_no_model_that_is_not_ranked() -> None:
    models = [trained("gru", [0.95, 0.96, 0.955]), trained("rnn", [0.7] * 3, seed=1)]
    found = compare_all([*models, trained("lstm", [0.5], seed=2)], 0.01)
    assert best_of(["gru", "rnn", "lstm"], found) == ["gru"]

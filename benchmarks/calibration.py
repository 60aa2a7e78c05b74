"""Measure how well the report's intervals and verdicts hold, on simulated sweeps."""

import gc
import warnings
from collections.abc import Iterator, Sequence
from itertools import combinations, product
from math import nan, sqrt
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy import stats
from scipy.special import ndtr

from benchmarks.findings import Findings, Table, number
from benchmarks.simulation import EQUALLY, MODES, UNEQUALLY, VARIATIONS, Effects, Population
from benchmarks.workplace import Workplace
from rnn_bench.report.comparing import best_of, compare_all, is_paired
from rnn_bench.report.crossed import spread_of_difference
from rnn_bench.report.outcomes import Outcomes
from rnn_bench.report.power import SIGNIFICANCE
from rnn_bench.report.statistics import estimate

SEEDS, FAMILIES = (3, 5, 10), (3, 5, 10)  # of a model; models that are compared
ALL = tuple(product((0.5, 0.95, 0.99), (200, 1000, 9000)))  # accuracies and test articles
SOME = ((0.95, 1000), (0.95, 9000), (0.99, 200))
FOUND_BY, ERRORS = 5, 3  # the difference that is to be found: 3 standard errors of 5 seeds
ERRORS_OF_LOSSES, OF_LOSSES = (2, 5, 10, 20, 40), (1, 3, 5)  # articles that err; seeds
WRONG, RIGHT = 4.0, 0.02  # mean loss of articles that err, and of others; nats
VALID = 0.06  # the largest size of a test whose power is worth a comparison
WELCH, PAIRED, OVER_ARTICLES = "Welch", "paired t", "t over articles"

Accuracies = Float[np.ndarray, "sweeps seeds"]


def measure(place: Workplace) -> Findings:
    sweeps = place.settings.sweeps
    gc.freeze()  # statsmodels collects garbage at each correction
    try:
        pairs = [each for case in pair_cases() for each in measure_pairs(*case, sweeps)]
        families = [each for case in family_cases() for each in measure_families(*case, sweeps)]
        losses = [measure_loss(*case, sweeps) for case in product(ERRORS_OF_LOSSES, OF_LOSSES)]
    finally:
        gc.unfreeze()
    return Findings(
        "How well the intervals hold",
        describe(pairs, families, sweeps),
        [overview(pairs), family_table(families), loss_table(losses), pair_table(pairs)],
        [],
        [*pairs, *families, *losses],
    )


def pair_cases() -> Iterator[tuple[Population, Sequence[int]]]:
    """Yield the populations of which two models are compared, and their numbers of seeds."""
    for variation in VARIATIONS:
        for accuracy, articles in ALL if variation == EQUALLY else SOME:
            population = Population(variation, accuracy, articles)
            if VARIATIONS[variation].correlation is not None:
                yield population, SEEDS[1:]
            else:
                yield population, (2, *SEEDS) if variation == EQUALLY else SEEDS


def family_cases() -> Iterator[tuple[Population, Sequence[int], Sequence[int]]]:
    """Yield the populations of which several models are compared, with numbers of models and of
    seeds."""
    for variation in (EQUALLY, UNEQUALLY, MODES):
        population = Population(variation, 0.95, 1000)
        if variation == EQUALLY:
            yield population, FAMILIES, SEEDS
        else:
            yield population, FAMILIES[-1:], SEEDS[:2]


def measure_pairs(
    population: Population, numbers: Sequence[int], sweeps: int
) -> Iterator[dict[str, Any]]:
    """Yield for each number of seeds how often intervals and verdicts on two models are right."""
    worse = ERRORS * deviation_of_difference(population, max(20, sweeps // 5))
    found: dict[int, list[dict[str, Any]]] = {seeds: [] for seeds in numbers}
    for sweep in range(sweeps):
        effects, of_seeds = population.draw(2, max(numbers), np.random.default_rng([0, sweep]))
        for seeds, rows in found.items():
            rows.append(measure_pair(population, effects[:, :seeds], of_seeds[:, :seeds], worse))
    for seeds, rows in found.items():
        columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
        yield {**circumstances(population, 2, seeds), **summarize(columns, worse)}


def deviation_of_difference(population: Population, sweeps: int) -> float:
    """Return the standard deviation of the difference of two models of equal accuracy."""
    found = []
    for sweep in range(sweeps):
        effects, _ = population.draw(2, FOUND_BY, np.random.default_rng([1, sweep]))
        found.append(population.outcomes(0, effects).value - population.outcomes(1, effects).value)
    return float(np.std(found))


def measure_pair(
    population: Population, effects: Effects, of_seeds: Float[np.ndarray, "2 seeds"], worse: float
) -> dict[str, Any]:
    """Return what is found on two equal models of one sweep, and if the second is worse."""
    first, second = (population.outcomes(model, effects) for model in (0, 1))
    third = population.outcomes(1, effects, worse)
    (equal,), (unequal,) = compare_all([first, second]), compare_all([first, third], margin=worse)
    truths = [population.accuracy, population.accuracy, population.accuracy - worse]
    if equal.of_models:
        levels = [population.level(0), population.level(1), population.level(1, worse)]
        trained = [level + of_seeds[m] for level, m in zip(levels, (0, 1, 1), strict=True)]
        truths = [float(ndtr(each).mean()) for each in trained]
    own = estimate(first)
    spread = spread_of_difference(first.rows[0], second.rows[0], is_paired(first, second))
    by_article = [first.splits[0].mean(0) - each.splits[0].mean(0) for each in (second, third)]
    return {
        "of_models": equal.of_models,
        "own": own.low <= truths[0] <= own.high,
        "covered": unequal.low <= truths[0] - truths[2] <= unequal.high,
        "size": equal.is_different,
        "power": unequal.is_different and unequal.difference > 0,
        "equivalent": unequal.is_equivalent,
        "difference": equal.difference,
        "variance": spread.error**2,
        "by_seed": [each.splits[0].mean(1) for each in (first, second, third)],
        "t": [sqrt(len(each)) * each.mean() / (each.std(ddof=1) or nan) for each in by_article],
    }


def summarize(columns: dict[str, Any], worse: float) -> dict[str, Any]:
    """Return shares of sweeps: of the report's method, and of others."""
    found = {"worse": worse, "own": columns["own"].mean(), "covered": columns["covered"].mean()}
    if columns["of_models"].all():  # what is covered is of trained models, which differ
        return found
    found |= {name: columns[name].mean() for name in ("size", "power", "equivalent")}
    found["ratio"] = sqrt(columns["variance"].mean() / (columns["difference"] ** 2).mean())
    first, second, third = np.moveaxis(columns["by_seed"], 1, 0)
    for name, test in ((WELCH, welch), (PAIRED, paired)):
        null, other = test(first, second), test(first, third)
        interval = other.confidence_interval()
        found[f"{name} size"] = (null.pvalue < SIGNIFICANCE).mean()
        found[f"{name} power"] = ((other.pvalue < SIGNIFICANCE) & (other.statistic > 0)).mean()
        found[f"{name} covered"] = ((interval.low <= worse) & (worse <= interval.high)).mean()
    bound = stats.norm.isf(SIGNIFICANCE / 2)
    found[f"{OVER_ARTICLES} size"] = (abs(columns["t"][:, 0]) > bound).mean()
    found[f"{OVER_ARTICLES} power"] = (columns["t"][:, 1] > bound).mean()
    valid = [found[f"{name} power"] for name in (WELCH, PAIRED) if found[f"{name} size"] <= VALID]
    return {**found, "gain": found["power"] - max(valid, default=nan)}


def welch(first: Accuracies, second: Accuracies) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # seeds of equal accuracy have no variance
        return stats.ttest_ind(first, second, axis=1, equal_var=False)


def paired(first: Accuracies, second: Accuracies) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return stats.ttest_rel(first, second, axis=1)


def measure_families(
    population: Population, counts: Sequence[int], numbers: Sequence[int], sweeps: int
) -> Iterator[dict[str, Any]]:
    """Yield for each number of equal models and of seeds how often verdicts are right."""
    found: dict[tuple[int, int], list[dict[str, Any]]] = {
        case: [] for case in product(counts, numbers)
    }
    for sweep in range(sweeps):
        random = np.random.default_rng([2, sweep])
        effects, _ = population.draw(max(counts), max(numbers), random)
        for (count, seeds), rows in found.items():
            models = [population.outcomes(model, effects[:, :seeds]) for model in range(count)]
            comparisons = compare_all(models)
            first = estimate(max(models, key=lambda each: each.value))
            rows.append(
                {
                    "some": any(each.is_different for each in comparisons),
                    "best": "0" in best_of([each.name for each in models], comparisons),
                    "first": first.low <= population.accuracy <= first.high,
                    "by_seed": [each.splits[0].mean(1) for each in models],
                }
            )
    for (count, seeds), rows in found.items():
        by_seed = np.array([row["by_seed"] for row in rows])
        pairs = [*combinations(range(count), 2)]
        least = np.nanmin([welch(by_seed[:, a], by_seed[:, b]).pvalue for a, b in pairs], axis=0)
        yield {
            **circumstances(population, count, seeds),
            **{name: np.mean([row[name] for row in rows]) for name in ("some", "best", "first")},
            f"{WELCH} some": (least * len(pairs) < SIGNIFICANCE).mean(),
        }


def measure_loss(errors: int, seeds: int, sweeps: int) -> dict[str, Any]:
    """Return how often the interval of a model's mean loss covers it, of 1,000 articles of which
    so many err on average, in every seed alike: their losses are exponential, and lognormal
    factors are drawn for each seed and article."""
    articles, covered = 1000, 0
    share = errors / articles
    true = share * WRONG + (1 - share) * RIGHT
    random = np.random.default_rng([3, errors, seeds])
    for _ in range(sweeps):
        means = np.where(random.random(articles) < share, WRONG, RIGHT)
        factors = random.lognormal(-0.08, 0.4, (seeds, articles))
        losses = random.exponential(means) * factors
        found = estimate(
            Outcomes(
                "0",
                "0",
                splits=(losses,),
                labels=(np.zeros(articles, dtype=int),),
                seeds=tuple(map(str, range(seeds))),
                is_random=seeds > 1,
                is_loss=True,
            )
        )
        covered += found.low <= true <= found.high
    return {"errors": errors, "seeds": seeds, "loss covered": covered / sweeps}


def circumstances(population: Population, models: int, seeds: int) -> dict[str, Any]:
    return {
        "seeds_vary": population.variation,
        "accuracy": population.accuracy,
        "articles": population.articles,
        "models": models,
        "seeds": seeds,
    }


def describe(
    pairs: Sequence[dict[str, Any]], families: Sequence[dict[str, Any]], sweeps: int
) -> list[str]:
    ranked = [each for each in pairs if "size" in each]
    equal = [each for each in ranked if each["seeds_vary"] == EQUALLY]
    return [
        f"Where seeds vary equally, {len(equal)} cases: an accuracy is covered in "
        f"{span(equal, 'own')} of sweeps, a difference in {span(equal, 'covered')}, equal models "
        f"are told apart in {span(equal, 'size')}, and SE is {span(equal, 'ratio')} of the true "
        "deviation.",
        f"Power less that of the better of Welch's and the paired t over seeds, where its size is "
        f"at most {VALID}: {span(ranked, 'gain')}.",
        f"Some of up to {max(FAMILIES)} equal models are told apart in {span(families, 'some')} of "
        f"sweeps, and a given one is among the best in {span(families, 'best')}.",
        f"A share of {sweeps:,} sweeps has a standard error of {sqrt(0.95 * 0.05 / sweeps):.3f} "
        "where it is 0.95 or 0.05.",
    ]


# Columns of the tables: what they show, by its name among the findings.
OWN = {
    "own": "accuracy covered",
    "covered": "difference covered",
    "ratio": "SE / true",
    "size": "size",
    "power": "power",
    "gain": "less best valid",
    "equivalent": "equivalent at the margin",
}
OTHERS = {
    f"{WELCH} size": "Welch: size",
    f"{WELCH} power": "power",
    f"{WELCH} covered": "covered",
    f"{PAIRED} size": "paired t: size",
    f"{PAIRED} power": "power",
    f"{PAIRED} covered": "covered",
    f"{OVER_ARTICLES} size": "t over articles: size",
    f"{OVER_ARTICLES} power": "power",
}
IN_FAMILIES = {
    "some": "some told apart",
    "best": "a given one among the best",
    "first": "accuracy of the first covered",
    f"{WELCH} some": "Welch: some told apart",
}


def overview(pairs: Sequence[dict[str, Any]]) -> Table:
    shown = {name: title for name, title in {**OWN, **OTHERS}.items() if "power" not in name}
    groups: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for each in pairs:
        groups.setdefault((each["seeds_vary"], each["seeds"]), []).append(each)
    return Table(
        "overview",
        "Two models",
        ["seeds vary", "seeds", "cases", *shown.values()],
        [
            [variation, str(seeds), str(len(rows)), *(span(rows, name) for name in shown)]
            for (variation, seeds), rows in groups.items()
        ],
        note="The mean over accuracies and numbers of articles, with the least and the most.",
    )


def pair_table(pairs: Sequence[dict[str, Any]]) -> Table:
    shown = {**OWN, **OTHERS}
    return Table(
        "pairs",
        "Two models, each case",
        ["seeds vary", "accuracy", "articles", "seeds", "worse by", *shown.values()],
        [
            [
                *(each["seeds_vary"], str(each["accuracy"]), f"{each['articles']:,}"),
                *(str(each["seeds"]), number(each["worse"], 4)),
                *(number(each.get(name, nan), 3) for name in shown),
            ]
            for each in pairs
        ],
        note=(
            "Coverage is of a model's accuracy, and of the difference to one that is worse by so "
            "much; with 2 seeds of the trained models'. Size is how often equal models are told "
            "apart, power how often the worse one is found. The last of the first columns is how "
            "often the worse one is called equivalent at a margin of the true difference."
        ),
    )


def family_table(families: Sequence[dict[str, Any]]) -> Table:
    return Table(
        "families",
        "Several equal models",
        ["seeds vary", "models", "seeds", *IN_FAMILIES.values()],
        [
            [
                *(each["seeds_vary"], str(each["models"]), str(each["seeds"])),
                *(number(each[name], 3) for name in IN_FAMILIES),
            ]
            for each in families
        ],
        note="1,000 articles, accuracy 0.95.",
    )


def loss_table(losses: Sequence[dict[str, Any]]) -> Table:
    by_errors: dict[int, list[str]] = {}
    for each in losses:
        by_errors.setdefault(each["errors"], []).append(number(each["loss covered"], 3))
    return Table(
        "losses",
        "Mean losses",
        ["articles that err", *(f"{seeds} seed{'s' * (seeds > 1)}" for seeds in OF_LOSSES)],
        [[str(errors), *shares] for errors, shares in by_errors.items()],
        note="How often a model's interval covers its mean loss; 1,000 articles.",
    )


def span(rows: Sequence[dict[str, Any]], name: str) -> str:
    """Return the mean of what was found, with the least and the most of it."""
    found = [each[name] for each in rows if np.isfinite(each.get(name, nan))]
    if not found:
        return ""
    return f"{np.mean(found):.3f} ({min(found):.3f} to {max(found):.3f})"

"""Confidence intervals of shares and their differences, within what a share can be."""

from math import ceil, inf, sqrt

CONFIDENCE = 0.95


def quantile(freedom: float, beyond: float = (1 - CONFIDENCE) / 2) -> float:
    """Return the value that Student's t exceeds with the probability `beyond`."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 1 - beyond))


def tail(value: float, freedom: float) -> float:
    """Return the probability that Student's t exceeds a value."""
    from scipy.special import stdtr

    return float(stdtr(freedom, -value))


def share_interval(share: float, size: float, freedom: float = inf) -> tuple[float, float]:
    """Return the 95 % interval of a share of so many independent answers: Wilson's, with Student's
    t for the normal's; Clopper and Pearson's of 0 and 1."""
    variance = share * (1 - share)
    if variance <= 0:
        return clopper_pearson(share * size, size)
    z = quantile(freedom)
    centre = (share + z**2 / (2 * size)) / (1 + z**2 / size)
    half = z / (1 + z**2 / size) * sqrt(variance / size + (z / (2 * size)) ** 2)
    return max(0.0, centre - half), min(1.0, centre + half)


def clopper_pearson(right: float, count: float) -> tuple[float, float]:
    """Return the exact 95 % interval of a share of `right` in `count`."""
    from scipy.stats import beta

    beyond = (1 - CONFIDENCE) / 2
    low = float(beta.ppf(beyond, right, count - right + 1)) if right > 0 else 0.0
    high = float(beta.isf(beyond, right + 1, count - right)) if right < count else 1.0
    return low, high


def paired_interval(only_first: int, only_second: int, count: int) -> tuple[float, float]:
    """Return the 95 % score interval of the difference of two shares of the same articles (Tango
    1998, doi 10.1002/(SICI)1097-0258(19980430)17:8<891::AID-SIM780>3.0.CO;2-B), which leaves out 0
    where `paired_p` is below 0.05.

    `only_first` and `only_second` are the numbers of articles that one model alone has right.
    """
    from scipy.optimize import brentq

    z, difference = quantile(inf), (only_first - only_second) / count

    def excess(delta: float, sign: int) -> float:
        return sign * _score(only_first, only_second, count, delta) - z

    edge = 1 - 1e-12
    low = brentq(excess, -edge, difference, args=(1,)) if difference > -edge else -1.0
    high = brentq(excess, difference, edge, args=(-1,)) if difference < edge else 1.0
    return float(low), float(high)


def paired_p(only_first: int, only_second: int) -> float:
    """Return the p-value of McNemar's score test, without a continuity correction, of two models
    on the same articles; 1 where they are right on the same ones."""
    from scipy.stats import norm

    differing = only_first + only_second
    return float(2 * norm.sf(abs(only_first - only_second) / sqrt(differing))) if differing else 1.0


def paired_equivalence_p(only_first: int, only_second: int, count: int, margin: float) -> float:
    """Return the p-value of a difference of at least `margin`, of the two one-sided score tests
    that belong to `paired_interval`."""
    below = _score(only_first, only_second, count, -margin)
    above = -_score(only_first, only_second, count, margin)
    return tail(min(below, above), inf)


def paired_smallest(count: int, level: float, power: float) -> float:
    """Return the smallest share of articles that one of two models alone has right, and the other
    none, of which McNemar's score test at a level finds so many in `count`, with the probability
    `power`; infinite if it never does."""
    from scipy.stats import beta

    needed = ceil(quantile(inf, level / 2) ** 2)  # k articles have the statistic k / sqrt(k)
    return float(beta.ppf(power, needed, count - needed + 1)) if count >= needed else inf


def _score(only_first: int, only_second: int, count: int, delta: float) -> float:
    """Return Tango's score statistic for a difference of `delta`."""
    a = 2 * count
    b = -only_first - only_second + (2 * count - only_first + only_second) * delta
    c = -only_second * delta * (1 - delta)
    least = (sqrt(max(0.0, b**2 - 4 * a * c)) - b) / (
        2 * a
    )  # the share of only_second, given delta
    variance = count * (2 * least + delta * (1 - delta))
    return (only_first - only_second - count * delta) / sqrt(max(variance, 1e-300))


def superiority_interval(probability: float, first: int, second: int) -> tuple[float, float]:
    """Return the 95 % interval of P(first > second) + P(equal)/2, estimated from all pairs of
    `first` and `second` values (Newcombe 2006, method 5, doi 10.1002/sim.2324)."""
    from scipy.optimize import brentq

    z, pairs = quantile(inf), first * second
    middle = (first + second) / 2 - 1

    def excess(theta: float, sign: int) -> float:
        spread = 1 + middle * ((1 - theta) / (2 - theta) + theta / (1 + theta))
        return sign * (probability - theta) - z * sqrt(theta * (1 - theta) * spread / pairs)

    tiny = 1e-12  # at 0 and 1 themselves the spread is 0
    low = brentq(excess, 0.0, min(probability, 1 - tiny), args=(1,)) if probability > 0 else 0.0
    high = brentq(excess, max(probability, tiny), 1.0, args=(-1,)) if probability < 1 else 1.0
    return float(low), float(high)

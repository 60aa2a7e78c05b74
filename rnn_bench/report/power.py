"""What a sweep of so many seeds finds of a true difference."""

from collections.abc import Sequence
from math import inf, sqrt

SIGNIFICANCE = 0.05
POWER = 0.8


def power(
    difference: float,
    of_seeds: Sequence[float],
    seeds: int,
    of_articles: float = 0.0,
    level: float = SIGNIFICANCE,
) -> float:
    """Return the probability that a sweep of so many seeds finds a true difference (two-sided, at
    `level`): `of_seeds` are the variances over seeds, of each model or of the paired differences,
    `of_articles` is the part of the squared standard error that more seeds do not lower."""
    from scipy.special import nctdtr, stdtrit

    parts = [each / seeds for each in of_seeds]
    whole = sum(parts) + of_articles
    if whole == 0:
        return 1.0 if difference else level
    doubt = sum(each**2 / (seeds - 1) for each in parts)
    freedom = min(whole * sum(parts) / doubt if doubt else inf, 1e6)
    bound = float(stdtrit(freedom, 1 - level / 2))
    shift = abs(difference) / sqrt(whole)
    if shift > 30:  # where the noncentral distribution is beyond what can be computed
        return 1.0
    found = 1 - float(nctdtr(freedom, shift, bound))
    # On the wrong side are less than 1e-10 from 7 on, and from 8 on they cannot be computed.
    return found + float(nctdtr(freedom, shift, -bound)) if shift < 7 else found


def smallest_shift(freedom: float, level: float) -> float:
    """Return the true difference in standard errors that Student's t test finds in 80 % of cases
    (two-sided, at `level`), by the noncentral t distribution; findings on the wrong side, which
    are rarer than 1 in 10,000 then, are not counted."""
    from scipy.special import nctdtrinc, stdtrit

    freedom = min(freedom, 1e6)
    return float(nctdtrinc(freedom, 1 - POWER, stdtrit(freedom, 1 - level / 2)))

"""Writing numbers and lists as text."""

import math
from collections.abc import Sequence
from statistics import mean

from rnn_bench.report.statistics import Estimate

HUGE = 1e9


def format_number(value: float, places: int = 4) -> str:
    """Return a number with so many decimal places, a huge one with any as `5.499e+12`; empty if it
    is not finite."""
    if places and abs(value) >= HUGE:
        return f"{value:.{places}g}" if math.isfinite(value) else ""
    return f"{value:,.{places}f}" if math.isfinite(value) else ""


def format_mean(values: Sequence[float], places: int = 4) -> str:
    """Return the mean of the finite values; empty if there are none."""
    known = [value for value in values if math.isfinite(value)]
    return format_number(mean(known), places) if known else ""


def format_interval(estimate: Estimate, places: int = 4) -> str:
    """Return `0.8123 to 0.9012`; empty without an interval."""
    if not estimate.has_interval:
        return ""
    return f"{estimate.low:.{places}f} to {estimate.high:.{places}f}"


def format_estimate(estimate: Estimate, places: int = 4) -> str:
    """Return `0.8567 (0.8123 to 0.9012)`; without brackets where there is no interval."""
    interval = format_interval(estimate, places)
    return format_number(estimate.value, places) + (f" ({interval})" if interval else "")


def format_p(p: float) -> str:
    return "< 0.0001" if p < 0.0001 else f"{p:.4f}"


def join_words(words: Sequence[str]) -> str:
    """Return `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)

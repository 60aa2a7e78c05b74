"""Writing numbers and lists as text."""

import math
from collections.abc import Sequence
from statistics import mean

from rnn_bench.report.statistics import Estimate


def format_number(value: float, places: int = 4) -> str:
    """Return a number with so many decimal places; empty if it is not finite."""
    return f"{value:,.{places}f}" if math.isfinite(value) else ""


def format_mean(values: Sequence[float], places: int = 4) -> str:
    """Return the mean of the finite values; empty if there are none."""
    known = [value for value in values if math.isfinite(value)]
    return format_number(mean(known), places) if known else ""


def format_interval(estimate: Estimate) -> str:
    """Return `0.8123 to 0.9012`; empty without an interval."""
    if not math.isfinite(estimate.low):
        return ""
    return f"{estimate.low:.4f} to {estimate.high:.4f}"


def format_estimate(estimate: Estimate) -> str:
    """Return `0.8567 (0.8123 to 0.9012)`; without brackets where the interval has no width."""
    interval = format_interval(estimate) if estimate.low < estimate.high else ""
    return format_number(estimate.value) + (f" ({interval})" if interval else "")


def format_estimate_with_count(estimate: Estimate) -> str:
    """Return `0.857 (0.812 to 0.901, 5 seeds)`."""
    if not math.isfinite(estimate.low):
        return f"{estimate.value:.3f}"
    interval = f"{estimate.low:.3f} to {estimate.high:.3f}"
    return f"{estimate.value:.3f} ({interval}, {format_count(estimate)})"


def format_count(estimate: Estimate) -> str:
    """Return what an interval is over: `5 seeds`, `1,351 test articles`."""
    unit = estimate.unit if estimate.n != 1 else estimate.unit.removesuffix("s")
    return f"{estimate.n:,} {unit}"


def format_p(p: float) -> str:
    return "< 0.0001" if p < 0.0001 else f"{p:.4f}"


def join_words(words: Sequence[str]) -> str:
    """Return `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)

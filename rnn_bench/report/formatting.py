"""Numbers in words and digits."""

import math
from collections.abc import Sequence
from statistics import mean

from rnn_bench.report.statistics import Estimate


def digits(value: float, places: int = 4) -> str:
    return f"{value:,.{places}f}" if math.isfinite(value) else ""


def averaged(values: list[float], places: int = 4) -> str:
    known = [value for value in values if math.isfinite(value)]
    return digits(mean(known), places) if known else ""


def interval(estimate: Estimate) -> str:
    if not math.isfinite(estimate.low):
        return ""
    return f"{estimate.low:.4f} to {estimate.high:.4f}"


def p_value(p: float) -> str:
    return "< 0.0001" if p < 0.0001 else f"{p:.4f}"


def sentence(words: str) -> str:
    """With a capital letter and a full stop."""
    return f"{words[:1].upper()}{words[1:]}."


def listed(words: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def numbered(estimate: Estimate) -> str:
    """What its interval is over: `5 seeds`, `1,351 test articles`."""
    unit = estimate.unit if estimate.n != 1 else estimate.unit.removesuffix("s")
    return f"{estimate.n:,} {unit}"


def told(estimate: Estimate) -> str:
    """With its interval in brackets."""
    if not math.isfinite(estimate.low):
        return f"{estimate.value:.3f}"
    span = f"{estimate.low:.3f} to {estimate.high:.3f}"
    return f"{estimate.value:.3f} ({span}, {numbered(estimate)})"


def spanned(estimate: Estimate) -> str:
    span = interval(estimate)
    return digits(estimate.value) + (f" ({span})" if span and estimate.low < estimate.high else "")

"""The keys of `report`: how models are compared."""

from dataclasses import dataclass

from rnn_bench.config.options import Allowed, Option, key

MARGIN = 0.01


@dataclass
class Report(Option):
    """How models are compared."""

    group = "report"
    margin: float = key(
        MARGIN,
        "difference of the primary metric below which two models are equivalent",
        Allowed("above 0 and below 1", lambda margin: 0 < margin < 1),
    )

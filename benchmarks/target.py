"""Measure the seconds to the validation accuracy that the naive loop ends with.

The runs are those of the part `single`. For both contenders the first epoch counts whose validation
accuracy is at least the naive loop's last. The naive loop cannot know that it might stop there, so
the seconds of its whole run are given too. Its accuracy depends on the state that it reads: after
the padding, as in the notebook, or at each article's last token, as rnn_bench does.
"""

import math
from statistics import median
from typing import Any

from benchmarks.drawing import bars
from benchmarks.findings import Findings, Table, number
from benchmarks.single import NAIVE, OURS, of, runs
from benchmarks.workplace import Workplace

READOUTS = {"padded_end": "after the padding", "last_token": "at the last token"}


def measure(place: Workplace) -> Findings:
    samples = [each for each in runs(place) if each["contender"] in (OURS, NAIVE)]
    rows = []
    factors: dict[tuple[str, str], tuple[float, float]] = {}
    drawn: dict[str, dict[str, float]] = {OURS: {}, NAIVE: {}}
    for readout, words in READOUTS.items():
        for cell in place.settings.cells:
            naive = [each for each in of(samples, (cell, NAIVE)) if each["readout"] == readout]
            ours = of(samples, (cell, OURS))[: len(naive)]
            targets = [each["epochs"][-1]["val_accuracy"] for each in naive]
            from_start, from_training = (
                [
                    median(
                        seconds_to(run, target, since)
                        for run, target in zip(who, targets, strict=True)
                    )
                    for who in (naive, ours)
                ]
                for since in ("process", "training")
            )
            whole = median(run["epochs"][-1]["ended"] - run["started"] for run in naive)
            factors[readout, cell] = from_start[0] / from_start[1], whole / from_start[1]
            if readout == "padded_end":
                drawn[NAIVE][cell], drawn[OURS][cell] = from_start
            rows.append(
                [
                    cell,
                    words,
                    number(median(targets), 4),
                    *(
                        number(seconds, 1) or "not reached"
                        for seconds in (*from_start, *from_training)
                    ),
                    number(whole, 1),
                    *(number(factor, 1) for factor in factors[readout, cell]),
                    str(len(naive)),
                ]
            )
    faster, than_whole = (
        ", ".join(
            f"{cell} {factors['padded_end', cell][which]:.1f}" for cell in place.settings.cells
        )
        for which in (0, 1)
    )
    return Findings(
        "Time to the naive loop's accuracy",
        [
            f"Seconds to the naive loop's last validation accuracy, times fewer: {faster}; than "
            f"the seconds of its whole run: {than_whole}."
        ],
        [
            Table(
                "target",
                "Seconds until the validation accuracy that the naive loop ends with, medians",
                [
                    *("cell", "naive loop reads the state", "accuracy"),
                    *(
                        "naive (s)",
                        "rnn_bench (s)",
                        "naive, training (s)",
                        "rnn_bench, training (s)",
                    ),
                    *("naive, whole run (s)", "times fewer", "than the whole run", "n"),
                ],
                rows,
                words=2,
                note="From the start of the process; 'training': from the first epoch's beginning.",
            )
        ],
        [
            bars(
                "target",
                "Seconds to the naive loop's last validation accuracy",
                "seconds from the start of the process",
                {
                    who: {c: s for c, s in found.items() if math.isfinite(s)}
                    for who, found in drawn.items()
                },
            )
        ],
        samples,
    )


def seconds_to(run: dict[str, Any], target: float, since: str) -> float:
    """Return the seconds until a run's validation accuracy reaches the target, or infinity."""
    began = run["started"] if since == "process" else run["epochs"][0]["began"]
    for epoch in run["epochs"]:
        if epoch["val_accuracy"] >= target:
            return float(epoch["ended"] - began)
    return math.inf

"""Measure one run of each cell by rnn_bench, the naive loop and Keras, in turn, on equal articles.

What is equal and what differs stands in naive.py and keras_fit.py. Each run is a process of its
own. Times count from before the process is started: rnn_bench's include its configuration, the
store and the checkpoints, all of which the others do not have.
"""

import functools
from collections.abc import Iterable
from importlib.util import find_spec
from statistics import median
from typing import Any

from benchmarks.answers import figures
from benchmarks.drawing import bars
from benchmarks.findings import Findings, Table, number
from benchmarks.workplace import ContenderFailed, Workplace

OURS, NAIVE, KERAS = "rnn_bench", "naive loop", "Keras 3 (JAX)"
MODULES = {NAIVE: "benchmarks.naive", KERAS: "benchmarks.keras_fit"}
COLUMNS = {
    "first_step_seconds": ("first step (s)", 1, 1),
    "epoch_seconds": ("an epoch (s)", 1, 2),
    "tokens_per_second": ("tokens/s", 1, 0),
    "peak_memory_bytes": ("peak memory (MiB)", 2**20, 0),
}


def measure(place: Workplace) -> Findings:
    samples = [each for each in runs(place) if each["readout"] != "last_token"]
    pairs = list(dict.fromkeys((each["cell"], each["contender"]) for each in samples))
    medians = {pair: medians_of(each["figures"] for each in of(samples, pair)) for pair in pairs}
    rows = []
    for cell, contender in pairs:
        found = of(samples, (cell, contender))
        rows.append(
            [
                cell,
                contender,
                *(
                    number(medians[cell, contender][name] / unit, places)
                    for name, (_, unit, places) in COLUMNS.items()
                ),
                number(ratio(medians, cell, contender), 1),
                str(found[0]["threads"]),
                str(len(found)),
            ]
        )
    faster = ", ".join(
        f"{cell} {ratio(medians, cell, OURS):.1f}" for cell, who in pairs if who == OURS
    )
    first = max(medians[pair]["first_step_seconds"] for pair in pairs if pair[1] == OURS)
    titles = [title for title, _, _ in COLUMNS.values()]
    return Findings(
        "One run",
        [
            f"One run, tokens a second, times the naive loop's: {faster}.",
            f"From the command to the first step, corpus cached: {first:.1f} s.",
        ],
        [
            Table(
                "single",
                "One run of each, medians",
                ["cell", "contender", *titles, "times naive", "threads", "n"],
                rows,
                words=2,
                note="Tokens are the articles' own, no padding, over the time of training without "
                "validation; an epoch is with it. Keras's first step, in which it compiles, "
                "counts in no tokens a second. Times naive: tokens a second. "
                + ("" if find_spec("keras") else "Keras is not installed: make bench installs it."),
            )
        ],
        [
            bars(
                "single",
                "Tokens a second of one run, no padding",
                "thousand tokens a second",
                {
                    who: {
                        cell: medians[cell, who]["tokens_per_second"] / 1000
                        for cell in place.settings.cells
                        if (cell, who) in medians
                    }
                    for who in (OURS, NAIVE, KERAS)
                    if any(pair[1] == who for pair in pairs)
                },
            )
        ],
        samples,
    )


@functools.cache
def runs(place: Workplace) -> list[dict[str, Any]]:
    """Run the contenders in turn, and return their answers. The naive loop reads the state after
    the padding, as the notebook does; in the first round also at each article's last token."""
    samples = []
    keras = find_spec("keras") is not None
    for seed in range(place.settings.repeats):
        for cell in place.settings.cells:
            threads = ("--threads", str(place.threads))
            ours = place.ours(*place.overrides(cell, str(seed)))
            samples.append(sample(OURS, cell, seed, "", ours))
            for readout in ("padded_end", "last_token") if seed == 0 else ("padded_end",):
                options = (*threads, "--readout", readout)
                naive = place.theirs(MODULES[NAIVE], cell, seed, *options)
                samples.append(sample(NAIVE, cell, seed, readout, naive))
            if keras:
                try:
                    theirs = place.theirs(MODULES[KERAS], cell, seed, *threads)
                except ContenderFailed as failed:
                    if "JAX sees no GPU" not in str(failed):
                        raise
                    keras = False
                    continue
                samples.append(sample(KERAS, cell, seed, "", theirs))
    return samples


def sample(
    contender: str, cell: str, seed: int, readout: str, answer: dict[str, Any]
) -> dict[str, Any]:
    about = {"contender": contender, "cell": cell, "seed": seed, "readout": readout}
    return {**about, **answer, "figures": figures(answer)}


def of(samples: list[dict[str, Any]], pair: tuple[str, str]) -> list[dict[str, Any]]:
    return [each for each in samples if (each["cell"], each["contender"]) == pair]


def medians_of(found: Iterable[dict[str, float]]) -> dict[str, float]:
    rows = list(found)
    return {name: median(row[name] for row in rows) for name in rows[0]}


def ratio(medians: dict[tuple[str, str], dict[str, float]], cell: str, contender: str) -> float:
    mine, naive = medians[cell, contender], medians[cell, NAIVE]
    return mine["tokens_per_second"] / naive["tokens_per_second"]

"""Measure a sweep of every cell with every seed through the real command, packed onto the machine,
against the naive loop for each of these runs in turn, with torch's own choice of threads.
"""

from statistics import median

from benchmarks.drawing import bars
from benchmarks.findings import Findings, Table, number
from benchmarks.single import NAIVE, sample
from benchmarks.workplace import Workplace

SCHEMES = ("rnn_bench, packed", "naive loop, one after the other")


def measure(place: Workplace) -> Findings:
    settings = place.settings
    pairs = [(cell, seed) for cell in settings.cells for seed in settings.seeds]
    seconds: dict[str, list[float]] = {scheme: [] for scheme in SCHEMES}
    samples: list[dict[str, object]] = []
    for _ in range(settings.repeats):
        seeds = ",".join(map(str, settings.seeds))
        overrides = place.overrides(",".join(settings.cells), seeds)
        seconds[SCHEMES[0]].append(place.run("rnn_bench", "-m", *overrides))
        answers = [place.theirs("benchmarks.naive", cell, seed) for cell, seed in pairs]
        seconds[SCHEMES[1]].append(sum(answer["wall_seconds"] for answer in answers))
        samples += [
            sample(NAIVE, *pair, "padded_end", answer)
            for pair, answer in zip(pairs, answers, strict=True)
        ]
    ours, naive = (median(seconds[scheme]) for scheme in SCHEMES)
    tables = [
        Table(
            "sweep",
            f"{len(pairs)} runs, wall time, medians",
            ["scheme", "seconds", "times naive", "n"],
            [
                [
                    scheme,
                    number(median(taken), 1),
                    number(naive / median(taken), 1),
                    str(len(taken)),
                ]
                for scheme, taken in seconds.items()
            ],
            note=f"The naive loop's threads: {answers[0]['threads']}. rnn_bench's time includes "
            "the record and the report.",
        )
    ]
    figures = [
        bars(
            "sweep",
            f"A sweep of {len(pairs)} runs",
            "seconds",
            {scheme: {"": median(taken)} for scheme, taken in seconds.items()},
        )
    ]
    samples += [{"scheme": scheme, "seconds": taken} for scheme, taken in seconds.items()]
    return Findings(
        "A sweep",
        [
            f"A sweep of {len(pairs)} runs takes {ours:.0f} s, the naive loop {len(pairs)} times "
            f"over {naive:.0f} s: {naive / ours:.1f} times as long."
        ],
        tables,
        figures,
        samples,
    )

"""Measure where a run's time goes, and how near its training comes to the floor (floor.py).

The stages' times are samples of the main thread's stack (sampling.py), for a run in a workplace
where nothing is cached yet, and for a run of each cell as it is usual, with the corpus cached. On a
GPU the main thread is ahead of the device, so the kernels that a profiler sees there are listed
too: cuDNN's persistent path shows by its kernels' names.
"""

import json
from typing import Any

from benchmarks.answers import figures
from benchmarks.articles import EMBEDDING_DIM, HIDDEN_SIZE
from benchmarks.drawing import bars, stacked
from benchmarks.findings import Findings, Table, number
from benchmarks.floor import operations_per_token, peak
from benchmarks.sampling import STAGES
from benchmarks.workplace import Workplace

BESIDE = ("reading", "batches", "recording")
MOST_KERNELS = 12


def measure(place: Workplace) -> Findings:
    settings = place.settings
    stages, answers = {}, {}
    for number_of_cell, cell in enumerate(settings.cells):
        if not number_of_cell:
            name = f"{cell}, nothing cached"
            empty = {"RNN_BENCH_CACHE": str(place.folder / "empty-cache")}
            _, stages[name] = sampled(place, cell, environment=empty)
        answers[cell], stages[cell] = sampled(place, cell)
    operations, how = peak(settings.device, place.threads)
    reached = {
        cell: figures(answer)["tokens_per_second"]
        * operations_per_token(cell, EMBEDDING_DIM, HIDDEN_SIZE)
        / operations
        for cell, answer in answers.items()
    }
    shares = {
        run: sum(found[stage] for stage in BESIDE) / sum(found.values())
        for run, found in stages.items()
    }
    listed_shares = ", ".join(f"{cell} {shares[cell]:.1%}" for cell in answers)
    tables = [
        Table(
            "stages",
            f"Seconds of a run of {settings.epochs} epochs by stage, and their share",
            ["run", *STAGES, "all", "data, batches and recording"],
            [
                [
                    run,
                    *(f"{s:.2f} ({s / sum(found.values()):.0%})" for s in found.values()),
                    number(sum(found.values()), 2),
                    f"{shares[run]:.1%}",
                ]
                for run, found in stages.items()
            ],
        ),
        Table(
            "floor",
            "Training's share of the floor",
            [
                "cell",
                "operations a token",
                "floor (tokens/s)",
                "reached (tokens/s)",
                "share",
                "kernel",
            ],
            [
                [
                    cell,
                    number(count := operations_per_token(cell, EMBEDDING_DIM, HIDDEN_SIZE), 0),
                    number(operations / count, 0),
                    number(figures(answer)["tokens_per_second"], 0),
                    f"{reached[cell]:.1%}",
                    answer["kernel"],
                ]
                for cell, answer in answers.items()
            ],
            note=f"Peak: {operations / 1e9:,.0f} GFLOP/s, measured by {how}"
            + (f" on {place.threads} threads." if settings.device == "cpu" else "."),
        ),
    ]
    samples: list[dict[str, Any]] = [{"run": run, "stages": found} for run, found in stages.items()]
    samples.append({"peak_operations_per_second": operations, "measured_by": how})
    samples += [{"run": cell, **answer} for cell, answer in answers.items()]
    if settings.device == "cuda":
        for cell in settings.cells:
            kernels = traced(place, cell)
            tables.append(kernel_table(cell, kernels))
            samples.append({"cell": cell, "kernel_microseconds": kernels})
    return Findings(
        "Where a run's time goes",
        [
            f"Share of data, batches and recording in a run's time: {listed_shares}.",
            "Share of the floor: "
            + ", ".join(f"{cell} {share:.0%}" for cell, share in reached.items())
            + ".",
        ],
        tables,
        [
            stacked("stages", "Where a run's time goes", "seconds", stages),
            bars(
                "floor",
                "Training's share of the floor",
                "percent of the multiply-add peak",
                {"": {cell: 100 * share for cell, share in reached.items()}},
            ),
        ],
        samples,
    )


def sampled(place: Workplace, cell: str, **more: Any) -> tuple[dict[str, Any], dict[str, float]]:
    """Return a run's answer, and the seconds of its stages."""
    path = place.folder / "stages.json"
    answer = place.ours(*place.overrides(cell), options=("--stages", str(path)), **more)
    return answer, json.loads(path.read_text())


def traced(place: Workplace, cell: str) -> dict[str, float]:
    """Return the microseconds of each kernel on the GPU in a run of one epoch."""
    path = place.folder / "kernels.json"
    place.ours(*place.overrides(cell, epochs=1), options=("--kernels", str(path)))
    found = json.loads(path.read_text())
    return dict(sorted(found.items(), key=lambda each: -each[1]))


def kernel_table(cell: str, kernels: dict[str, float]) -> Table:
    whole = sum(kernels.values())
    return Table(
        f"kernels-{cell}",
        f"Kernels on the GPU in an epoch, {cell}",
        ["kernel", "milliseconds", "share"],
        [
            [name.replace("|", "\\|")[:100], number(us / 1000, 1), f"{us / whole:.1%}"]
            for name, us in list(kernels.items())[:MOST_KERNELS]
        ],
    )

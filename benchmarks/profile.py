"""Measure where a run's time goes, and how near its training comes to the floor (floor.py).

The stages' times are samples of the main thread's stack (sampling.py), for a run in a workplace
where nothing is cached yet, and for a run of each cell as it is usual, with the corpus cached. A
step of one cell is drawn as torch's profiler sees it. On a GPU the main thread is ahead of the
device, so the kernels that the profiler sees there in an epoch are listed too (cuDNN's persistent
path shows by their names), and the share of the epoch in which the GPU idles, with and without CUDA
graphs.
"""

import itertools
import json
from typing import Any

from benchmarks.answers import figures
from benchmarks.articles import EMBEDDING_DIM, HIDDEN_SIZE
from benchmarks.drawing import bars, stacked, timeline
from benchmarks.findings import Findings, Table, number
from benchmarks.floor import operations_per_token, peak
from benchmarks.sampling import STAGES
from benchmarks.tracing import EPOCH
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
    figures_of_steps = []
    graphs = ("off", "auto") if settings.device == "cuda" else ("off",)
    for graph in graphs:
        step = traced(place, settings.cells[-1], "step", graph)
        samples.append({"cell": settings.cells[-1], "graph": graph, "step": step})
        figures_of_steps.append(
            timeline(
                f"step-graph-{graph}" if len(graphs) > 1 else "step",
                f"A step of {settings.cells[-1]}" + f", model.graph={graph}" * (len(graphs) > 1),
                step,
            )
        )
    if settings.device == "cuda":
        idle = []
        for cell, graph in itertools.product(settings.cells, graphs):
            found = traced(place, cell, "kernels", graph)
            share = 1 - found["busy_seconds"] / found["seconds"]
            idle.append([cell, graph, number(found["seconds"], 2), f"{share:.1%}"])
            samples.append({"cell": cell, "graph": graph, **found})
            if graph == "off":
                tables.append(kernel_table(cell, found["kernels"]))
        tables.append(
            Table(
                "idle",
                "Share of an epoch in which no kernel runs, validation included",
                ["cell", "model.graph", "seconds", "idle"],
                idle,
                words=2,
                note="The profiler's own time is part of it.",
            )
        )
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
            *figures_of_steps,
        ],
        samples,
    )


def sampled(place: Workplace, cell: str, **more: Any) -> tuple[dict[str, Any], dict[str, float]]:
    """Return a run's answer, and the seconds of its stages."""
    path = place.folder / "stages.json"
    answer = place.ours(*place.overrides(cell), options=("--stages", str(path)), **more)
    return answer, json.loads(path.read_text())


def traced(place: Workplace, cell: str, what: str, graph: str) -> dict[str, Any]:
    """Return what a run traced: `step` or `kernels`."""
    path = place.folder / f"{what}.json"
    overrides = place.overrides(cell, epochs=EPOCH)
    place.ours(*overrides, f"model.graph={graph}", options=(f"--{what}", str(path)))
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def kernel_table(cell: str, kernels: dict[str, float]) -> Table:
    whole = sum(kernels.values())
    return Table(
        f"kernels-{cell}",
        f"Kernels on the GPU in an epoch, {cell}",
        ["kernel", "milliseconds", "share"],
        [
            [name.replace("|", "\\|")[:100], number(us / 1000, 1), f"{us / whole:.1%}"]
            for name, us in sorted(kernels.items(), key=lambda each: -each[1])[:MOST_KERNELS]
        ],
    )

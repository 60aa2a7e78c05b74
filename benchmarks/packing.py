"""Measure how many runs an hour a machine trains, by the number of runs that it trains at once.

Each number is a sweep of as many GRUs through the real command. What counts is the time in which
all of them train: from the end of the last one's first epoch to the end of the first one's last. On
a GPU the sweeps are repeated with one thing after another that may let more runs share it.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.drawing import grid_of_lines
from benchmarks.findings import Findings, Table, number
from benchmarks.machine import has_cuda_core
from benchmarks.settings import Settings
from benchmarks.workplace import Workplace
from rnn_bench.config.tracking import Tracking
from rnn_bench.sweep.local.mps import WITHOUT_MPS
from rnn_bench.tracking.store import open_store
from rnn_bench.training.device import cores

CELL = "gru"
MPS, FUSED = "hydra.launcher.mps=auto", "model.kernel=fused"
SCHEMES = {
    "cpu": {"rnn_bench": ()},
    "cuda": {
        "rnn_bench": (),
        "with MPS": (MPS,),
        "with MPS and graphs": (MPS, "model.graph=auto"),
        "with MPS, graphs and fused kernel": (MPS, "model.graph=auto", FUSED),
    },
}
ATTEMPTS = 3  # at epochs enough for a measurement

Epoch = tuple[float, float]  # its begin and end, in seconds


@dataclass(frozen=True)
class Measured:
    """The epochs a second that runs trained together, and the seconds in which all of them did."""

    epochs_per_second: float
    seconds: float


def measure(place: Workplace) -> Findings:
    settings, samples, notes = place.settings, [], []
    found: dict[str, dict[int, list[float]]] = {}
    for scheme, overrides in SCHEMES[settings.device].items():
        if FUSED in overrides and not has_cuda_core():
            notes.append(f"Not {scheme}: cuda-core is not installed.")
            continue
        interval = 0.0  # seconds of an epoch of each run
        for at_once in counts(settings):
            for _ in range(settings.repeats):
                measured = trained_together(place, at_once, overrides, interval)
                line = next((each for each in place.printed() if WITHOUT_MPS in each), "")
                if MPS in overrides and line:
                    notes.append(f"Not {scheme}: {line}")
                    break
                rate = measured.epochs_per_second * 3600 / settings.epochs
                found.setdefault(scheme, {}).setdefault(at_once, []).append(rate)
                samples.append(
                    {"scheme": scheme, "at_once": at_once, "runs_per_hour": rate, **vars(measured)}
                )
                interval = at_once / measured.epochs_per_second
    rates = {
        scheme: {at_once: median(each) for at_once, each in by_count.items()}
        for scheme, by_count in found.items()
    }
    first = next(iter(rates.values()))[1]
    best = {scheme: max(each.items(), key=lambda pair: pair[1]) for scheme, each in rates.items()}
    what = f"of {settings.epochs} epochs of {settings.articles} articles, validation included"
    return Findings(
        "Runs at once",
        [
            f"Runs an hour ({CELL}, {what}): {first:,.0f} one after the other; "
            + "; ".join(f"{s} {rate:,.0f} with {n} at once" for s, (n, rate) in best.items())
            + "."
        ],
        [
            Table(
                "packing",
                f"Runs an hour by runs at once ({CELL}, {what}), medians",
                ["scheme", "runs at once", "runs an hour", "times one", "n"],
                [
                    [
                        *(scheme, str(at_once), number(median(each), 0)),
                        *(number(median(each) / first, 2), str(len(each))),
                    ]
                    for scheme, by_count in found.items()
                    for at_once, each in by_count.items()
                ],
                note=" ".join(
                    [
                        "Counted while all of them train; times one is beside one run as it is.",
                        *notes,
                    ]
                ),
            )
        ],
        [
            grid_of_lines(
                "packing",
                "Runs an hour by runs at once",
                "runs at once",
                "runs an hour",
                {"": {"": rates}},
            )
        ],
        samples,
    )


def counts(settings: Settings) -> Iterator[int]:
    """Yield the numbers of runs at once; a CPU gets at most two runs for each core."""
    most = math.inf if settings.device == "cuda" else 2 * cores()
    return itertools.takewhile(lambda count: count <= most, settings.at_once)


def trained_together(
    place: Workplace, at_once: int, overrides: Sequence[str], interval: float
) -> Measured:
    """Return the speed of that many runs that train at once for `settings.seconds`.

    Args:
        interval: seconds that an epoch of a run takes at least; 0: not known.
    """
    wanted, epochs = place.settings.seconds, place.settings.epochs
    key = "jobs_per_gpu" if place.settings.device == "cuda" else "jobs"
    slots = [f"hydra.launcher.{key}={at_once}"]
    slots += ["hydra.launcher.gpus=[0]"] if place.settings.device == "cuda" else []
    seeds = ",".join(map(str, range(at_once)))
    if interval:
        epochs = max(epochs, 2 + math.ceil(wanted / interval))
    for _ in range(ATTEMPTS):
        place.run("rnn_bench", "-m", *place.overrides(CELL, seeds, epochs), *slots, *overrides)
        histories = recorded_epochs(place, at_once)
        measured = together(histories)
        if measured.seconds >= wanted / 2:
            break
        longest = max(end - begin for history in histories for begin, end in history[1:])
        epochs += math.ceil((wanted - measured.seconds) / longest)
    return measured


def recorded_epochs(place: Workplace, count: int) -> list[list[Epoch]]:
    """Return the epochs of the newest runs of the record."""
    store = Tracking(uri=f"sqlite:///{place.folder / 'mlflow.db'}")
    client, experiment = open_store(store, create=False)
    runs = client.search_runs([experiment], order_by=["start_time DESC"], max_results=count)
    histories = [client.get_metric_history(run.info.run_id, "epoch_seconds") for run in runs]
    return [
        [(each.timestamp / 1000 - each.value, each.timestamp / 1000) for each in history]
        for history in histories
    ]


def together(histories: Sequence[Sequence[Epoch]]) -> Measured:
    """Return what runs trained while all of them did, without the first epoch of each: nothing, if
    one began when another had ended."""
    began = max(history[0][1] for history in histories)
    ended = min(history[-1][1] for history in histories)
    if ended <= began:
        return Measured(math.nan, 0.0)
    shares = (
        max(0.0, min(end, ended) - max(begin, began)) / (end - begin)
        for history in histories
        for begin, end in history[1:]
    )
    return Measured(sum(shares) / (ended - began), ended - began)

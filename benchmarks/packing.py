"""Measure how many runs an hour a machine trains, by the number of runs that it trains at once.

Each number is a sweep of as many GRUs through the real command. What counts is the time in which
all of them train: from the end of the last one's first epoch to the end of the first one's last. On
a GPU the sweeps are repeated with one thing after another that may let more runs share it.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

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
SCHEMES: dict[str, dict[str, tuple[str, ...]]] = {
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
    """The epochs a second that runs trained together, and the seconds in which all of them did:
    None, and less than 0, where one began only when another had ended."""

    epochs_per_second: float | None
    seconds: float


class WithoutMps(Exception):
    """MPS cannot be started; the message is the launcher's line."""


def measure(place: Workplace) -> Findings:
    settings, notes = place.settings, list[str]()
    samples: list[dict[str, Any]] = []
    for scheme, overrides in SCHEMES[settings.device].items():
        if FUSED in overrides and not has_cuda_core():
            notes.append(f"Not {scheme}: cuda-core is not installed.")
            continue
        try:
            of_scheme = [*measured_scheme(place, overrides)]
        except WithoutMps as error:
            notes.append(f"Not {scheme}: {error}")
            continue
        samples += [{"scheme": scheme, **each} for each in of_scheme]
    found: dict[str, dict[int, list[float]]] = {}
    for each in samples:
        if each["runs_per_hour"] is None:
            notes.append(f"{each['scheme']}: {each['at_once']} runs never trained together.")
        else:
            by_count = found.setdefault(each["scheme"], {})
            by_count.setdefault(each["at_once"], []).append(each["runs_per_hour"])
    rates: dict[str, dict[float, float]] = {
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


def measured_scheme(place: Workplace, overrides: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the samples of a scheme, for one number of runs at once after another.

    Raises:
        WithoutMps: it is to be with MPS, which cannot be started here.
    """
    settings, interval = place.settings, 0.0  # seconds of an epoch of each run
    for at_once in counts(settings, overrides):
        for _ in range(settings.repeats):
            measured = trained_together(place, at_once, overrides, interval)
            speed, rate = measured.epochs_per_second, None
            if speed:
                rate, interval = speed * 3600 / settings.epochs, at_once / speed
            yield {"at_once": at_once, "runs_per_hour": rate, **vars(measured)}


def counts(settings: Settings, overrides: Sequence[str]) -> list[int]:
    """Return the numbers of runs at once. One run alone has no MPS, and a CPU gets at most two runs
    for each core."""
    most = math.inf if settings.device == "cuda" else 2 * cores()
    least = 2 if [*overrides] == [MPS] else 1
    return [count for count in settings.at_once if least <= count <= most]


def trained_together(
    place: Workplace, at_once: int, overrides: Sequence[str], interval: float
) -> Measured:
    """Return the speed of that many runs that train at once for about `settings.seconds`.

    Args:
        interval: seconds that an epoch of a run takes at least; 0: not known.

    Raises:
        WithoutMps: it is to be with MPS, which cannot be started here.
    """
    wanted, epochs = place.settings.seconds, max(place.settings.epochs, 3)
    key = "jobs_per_gpu" if place.settings.device == "cuda" else "jobs"
    slots = [f"hydra.launcher.{key}={at_once}"]
    slots += ["hydra.launcher.gpus=[0]"] if place.settings.device == "cuda" else []
    seeds = ",".join(map(str, range(at_once)))
    if interval:
        epochs = max(epochs, 2 + math.ceil(wanted / interval))
    for _ in range(ATTEMPTS):
        place.run("rnn_bench", "-m", *place.overrides(CELL, seeds, epochs), *slots, *overrides)
        if MPS in overrides:
            for line in place.printed():
                if WITHOUT_MPS in line:
                    raise WithoutMps(line)
        histories = recorded_epochs(place, at_once)
        measured = together(histories)
        if measured.seconds >= wanted / 2:
            break
        usual = median(end - begin for history in histories for begin, end in history[1:])
        epochs += math.ceil((wanted - measured.seconds) / usual)
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
    """Return what runs trained while all of them did, without the first epoch of each."""
    began = max(history[0][1] for history in histories)
    ended = min(history[-1][1] for history in histories)
    if ended <= began:
        return Measured(None, ended - began)
    shares = (
        max(0.0, min(end, ended) - max(begin, began)) / (end - begin)
        for history in histories
        for begin, end in history[1:]
    )
    return Measured(sum(shares) / (ended - began), ended - began)

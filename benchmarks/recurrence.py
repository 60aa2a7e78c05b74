"""Measure the time of a step of the recurrence, by kernel, precision, size of the state, and length
of the rows.

A layer of each cell reads 32 rows of equal length, forward and backward, with its products for
inputs and weights. On a GPU the calls are queued while the GPU waits, so that the host's time does
not count, and up to 30 layers compute at once, each on a stream of its own. There `torch` is cuDNN.
A kernel has no row where it does not exist.
"""

import argparse
import itertools
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor

from benchmarks.articles import BATCH_SIZE, EMBEDDING_DIM, HIDDEN_SIZE
from benchmarks.drawing import grid_of_lines
from benchmarks.findings import Findings, Table, number
from benchmarks.settings import Settings
from benchmarks.workplace import Workplace
from rnn_bench.config.model import Recurrent
from rnn_bench.models.cell import cell_class
from rnn_bench.models.kernels.choice import kernel_for
from rnn_bench.models.kernels.library import Unavailable
from rnn_bench.models.precision import products_in
from rnn_bench.training.device import find_device, use_threads

CONTENDERS = {  # kernel and precision
    "cpu": (("torch", "float32"), ("fused", "float32")),
    "cuda": (
        *(("torch", each) for each in ("float32", "tf32", "bfloat16")),
        *(("fused", each) for each in ("float32", "bfloat16")),
    ),
}
WAYS = ("forward", "backward")
CALLS = 3  # that follow each other in a sample
TURNS = 3  # of each case, for each of the settings' repeats; one before is not counted
CYCLES_A_SECOND = 1_800_000_000  # about those of a GPU
HOLDS = (0.05, 0.2, 0.8)  # seconds that a GPU waits for its calls; one after another is tried


@dataclass(frozen=True)
class Case:
    """What is timed: a layer of `units`, on rows of `length` tokens, `at_once` of it."""

    cell: str
    kernel: str
    precision: str
    units: int
    length: int
    at_once: int = 1

    @property
    def contender(self) -> str:
        return f"{self.kernel}, {self.precision}"


def measure(place: Workplace) -> Findings:
    settings = place.settings
    args = [f"--threads={place.threads}", f"--device={settings.device}"]
    args += [f"--turns={TURNS * settings.repeats}", "--cells", *settings.cells]
    for name in ("units", "lengths", "at_once"):
        args += [f"--{name.replace('_', '-')}", *map(str, getattr(settings, name))]
    samples = place.answer("benchmarks.recurrence", *args)["samples"]
    usual = usual_case(settings)
    about = {
        "units": f"{usual.length} steps of a row",
        "length": f"{usual.units} units",
        "at_once": f"{usual.units} units, {usual.length} steps of a row",
    }
    titles = {"units": "units", "length": "steps of a row", "at_once": "layers at once"}
    figures = []
    for name, title in titles.items():
        if len({sample[name] for sample in samples}) > 1:
            compared = along(samples, name, usual)
            figures.append(
                grid_of_lines(
                    f"recurrence-{name.replace('_', '-')}",
                    f"A step of the recurrence, {about[name]}",
                    title,
                    "microseconds",
                    {
                        way: {
                            cell: {
                                contender: {
                                    each[name]: median(each[way])
                                    for each in compared
                                    if (each["cell"], each["contender"]) == (cell, contender)
                                }
                                for contender in dict.fromkeys(e["contender"] for e in compared)
                            }
                            for cell in settings.cells
                        }
                        for way in WAYS
                    },
                )
            )
    headline = [
        f"A step of {BATCH_SIZE} rows with {usual.units} units takes {way}, in microseconds: "
        + "; ".join(
            f"{cell} "
            + ", ".join(
                f"{shown(each, way, 2)} ({each['contender']})"
                for each in along(samples, "units", usual)
                if (each["cell"], each["units"]) == (cell, usual.units)
            )
            for cell in settings.cells
        )
        + "."
        for way in WAYS
    ]
    table = Table(
        "recurrence",
        f"A step of the recurrence of {BATCH_SIZE} rows, microseconds, medians",
        ["cell", "kernel", "precision", "units", "steps", "at once", *WAYS, "n"],
        [
            [
                *(str(each[name]) for name in ("cell", "kernel", "precision", "units", "length")),
                str(each["at_once"]),
                *(shown(each, way, 3) for way in WAYS),
                str(len(each[WAYS[0]])),
            ]
            for each in samples
        ],
        words=3,
        note="A step's time is that of a layer over its steps, however many layers compute at "
        "once. ≤: the calls could not be queued, and the host's time is part of it.",
    )
    return Findings("A step of the recurrence", headline, [table], figures, samples)


def shown(sample: dict[str, Any], way: str, places: int) -> str:
    """Return a sample's median time, with ≤ where the host's time is part of it."""
    return "≤ " * (not sample["queued"]) + number(median(sample[way]), places)


def along(samples: Sequence[dict[str, Any]], name: str, usual: Case) -> list[dict[str, Any]]:
    """Return the samples that differ from the usual case in no size but that of the name."""
    sizes = {"units", "length", "at_once"} - {name}
    found = [s for s in samples if all(s[size] == getattr(usual, size) for size in sizes)]
    return sorted(found, key=lambda sample: sample[name])


def usual_case(settings: Settings | argparse.Namespace) -> Case:
    """Return the case from which one size after another is changed."""
    lengths = settings.lengths
    return Case("", "", "", HIDDEN_SIZE, lengths[len(lengths) // 2])


def cases(args: argparse.Namespace, device: torch.device) -> Iterator[Case]:
    """Yield each case once: the usual sizes, and those that differ from them in one."""
    usual = usual_case(args)
    sizes = dict.fromkeys(
        [
            *(replace(usual, units=units) for units in args.units),
            *(replace(usual, length=length) for length in args.lengths),
            *(replace(usual, at_once=n) for n in args.at_once if n == 1 or device.type == "cuda"),
        ]
    )
    for cell, contender in itertools.product(args.cells, CONTENDERS[device.type]):
        for each in sizes:
            yield replace(each, cell=cell, kernel=contender[0], precision=contender[1])


class Layer:
    """A layer, with the rows that it reads.

    Raises:
        Unavailable: its kernel does not exist for it.
    """

    def __init__(self, case: Case, device: torch.device, cache_dir: Path) -> None:
        self.case, self.device = case, device
        model = Recurrent(name=case.cell, cell=case.cell, hidden_size=case.units)
        is_fused = case.kernel == "fused"
        self.fused = kernel_for(device, model, case.precision, cache_dir) if is_fused else None
        self.cell: Any = cell_class(case.cell)(EMBEDDING_DIM, case.units).to(device)
        rows = BATCH_SIZE, case.length
        self.inputs = torch.randn(*rows, EMBEDDING_DIM, device=device, requires_grad=True)
        self.lengths = torch.full((BATCH_SIZE,), case.length, device=device)
        self.gradient = torch.randn(*rows, case.units, device=device)
        self.states: list[Tensor] = []

    def forward(self) -> None:
        """Compute the states of all steps, and keep them for a way back."""
        with self._precision():
            if self.fused:
                states = self.fused.all_states(self.cell, self.inputs, self.lengths)
            else:
                states = self.cell(self.inputs, self.lengths)
        self.states.append(states)

    def backward(self) -> None:
        """Compute the gradients of one forward pass."""
        states, wanted = self.states.pop(), [self.inputs, *self.cell.parameters()]
        with self._precision():
            torch.autograd.grad(states, wanted, self.gradient.to(states.dtype))

    @contextmanager
    def _precision(self) -> Iterator[None]:
        rounds = self.case.precision == "bfloat16" and not self.fused
        with (
            products_in(self.case.precision, self.device),
            torch.autocast(self.device.type, torch.bfloat16, enabled=rounds),
        ):
            yield


def timed(case: Case, device: torch.device, cache_dir: Path, turns: int) -> dict[str, Any]:
    """Return a case's sample, with the microseconds of a step in each turn.

    Raises:
        Unavailable: there is no such kernel.
    """
    layers = [Layer(case, device, cache_dir) for _ in range(case.at_once)]
    streams = [torch.cuda.Stream(device) for _ in layers] if device.type == "cuda" else []
    for hold in HOLDS:
        found: dict[str, list[float]] = {way: [] for way in WAYS}
        all_queued = True
        for turn, way in itertools.product(range(turns + 1), WAYS):
            calls = [getattr(layer, way) for layer in layers]
            seconds, queued = take_time(calls, streams, hold)
            if turn:
                found[way].append(1e6 * seconds / (CALLS * case.length))
                all_queued &= queued
            if not all_queued and way == WAYS[-1] and hold != HOLDS[-1]:
                break
        if all_queued:
            break
    return {**asdict(case), "contender": case.contender, "queued": all_queued, **found}


def take_time(
    calls: Sequence[Callable[[], None]], streams: Sequence["torch.cuda.Stream"], hold: float
) -> tuple[float, bool]:
    """Return the seconds of CALLS of each of these calls, on a GPU each on its stream, and whether
    all could be queued while the GPU waited for `hold` seconds."""
    if not streams:
        began = time.perf_counter()
        for _ in range(CALLS):
            for call in calls:
                call()
        return time.perf_counter() - began, True
    first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    here = torch.cuda.current_stream()
    torch.cuda.synchronize()
    torch.cuda._sleep(int(hold * CYCLES_A_SECOND))
    first.record()
    for stream in streams:
        stream.wait_event(first)
    for _ in range(CALLS):
        for call, stream in zip(calls, streams, strict=True):
            with torch.cuda.stream(stream):
                call()
    queued = not first.query()
    for stream in streams:
        here.wait_stream(stream)
    last.record()
    torch.cuda.synchronize()
    return first.elapsed_time(last) / 1000, queued


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--answer", type=Path, required=True)
    parser.add_argument("--cells", nargs="+", required=True)
    parser.add_argument("--device", required=True)
    for name in ("threads", "turns"):
        parser.add_argument(f"--{name}", type=int, required=True)
    for name in ("units", "lengths", "at-once"):
        parser.add_argument(f"--{name}", type=int, nargs="+", required=True)
    args = parser.parse_args()
    use_threads(args.threads)
    device, samples = find_device(args.device), []
    with tempfile.TemporaryDirectory() as folder:
        for case in cases(args, device):
            with suppress(Unavailable):
                samples.append(timed(case, device, Path(folder), args.turns))
    args.answer.write_text(json.dumps({"samples": samples}))


if __name__ == "__main__":
    main()

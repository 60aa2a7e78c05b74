"""How many runs a GPU trains at once by what was measured: on simulated GPUs, and in sweeps."""

import itertools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from unittest.mock import Mock

import pytest
from mlflow.entities import Run

from rnn_bench.config.launcher import Packed
from rnn_bench.sweep.local import throughput_search
from rnn_bench.sweep.local.devices import ANY_GPU, Device
from rnn_bench.sweep.local.queued_run import Progress
from rnn_bench.sweep.local.recording import Recorder
from rnn_bench.sweep.local.scheduler import Scheduler
from rnn_bench.sweep.local.throughput_search import Pace, ThroughputSearch
from rnn_bench.sweep.local.worker_handle import WorkerHandle
from tests.conftest import SMALL, SMALL_CORPUS, Command, changed
from tests.sweep.local.conftest import GPUS, Driver, NewRun

Runs = Callable[[], list[Run]]

TICK = 0.2  # seconds between two looks
START = 3.0  # seconds that a process takes before its first batch
WARM_UP = 2.0  # seconds that its first batches take beside
TEST = 1.0  # seconds that a run takes after its last epoch
TOKENS = 1000.0  # of an epoch
COSTS = {"rnn": 1.0, "gru": 1.8, "lstm": 2.6}  # seconds of an epoch, alone


@dataclass
class SimulatedRun:
    name: str
    kind: str
    waits: float = START + WARM_UP
    tokens: float = 0.0
    epoch: int = 0
    validated: float = 0.0
    tested: float = 0.0

    @property
    def trained(self) -> int:
        return int(self.tokens / TOKENS + 1e-9)


class SimulatedGpu:
    """A GPU that trains runs as a sweep does: the next one whenever a slot is free. It is busy with
    so many runs of a kind (`busy_with`), and with more each takes longer."""

    def __init__(
        self, busy_with: Mapping[str, float], limit: int = 32, fitting: float = 100.0
    ) -> None:
        self.search = ThroughputSearch(limit, fitting)
        self.busy_with = busy_with
        self.running: list[SimulatedRun] = []
        self.found: list[str] = []
        self.most = 0  # runs at once

    def train(
        self,
        kinds: Sequence[str],
        epochs: int = 20,
        memory: float = 0.0,
        noise: float = 0.0,
        fits: float = math.inf,
        slow: float = 1.0,
        validation: float = 0.0,
    ) -> list[str]:
        """Train runs of these kinds, of so many epochs that take `slow` times as long, with so many
        seconds of `validation` after each, and return what the search found. One run more than
        `fits` runs out of memory when it begins."""
        random, now, waiting, made = Random(0), 0.0, [*kinds], itertools.count()
        while waiting or self.running:
            while waiting and len(self.running) < self.search.slots:
                self.running.append(SimulatedRun(f"run {next(made)}", waiting.pop(0)))
            now += TICK
            training = [run for run in self.running if run.waits <= WARM_UP and run.epoch < epochs]
            if len(training) > fits:
                waiting.insert(0, training[-1].kind)
                self.running.remove(training.pop())
                self.search.allow(len(training))
            load = max(1.0, sum(1 / self.busy_with[run.kind] for run in training))
            for run in self.running:
                run.waits -= TICK
                if run.epoch == epochs:
                    run.tested += TICK
                elif run.waits <= 0 and run.trained == run.epoch:
                    seconds = TICK * (1 + noise * random.uniform(-1, 1))
                    run.tokens += TOKENS * seconds / load / slow / COSTS[run.kind]
                    run.tokens = min(run.tokens, epochs * TOKENS)
                    run.validated = 0.0
                else:
                    run.validated += TICK / load
                if run.validated >= validation:
                    run.epoch = run.trained
            self.running = [run for run in self.running if run.tested < TEST]
            paces = [
                Pace(run.name, run.kind, run.epoch, run.tokens, memory if run.epoch else 0)
                for run in self.running
                if run.tokens
            ]
            self.most = max(self.most, len(paces))
            if waiting and (found := self.search.observe(now, paces)):
                self.found.append(found)
        return self.found


def all_busy_with(runs: float) -> dict[str, float]:
    return dict.fromkeys(COSTS, runs)


@pytest.mark.parametrize("noise", [0.0, 0.2])
@pytest.mark.parametrize(("busy_with", "chosen"), [(1, 1), (4, 4), (12, 16)])
def test_more_runs_start_as_long_as_throughput_grows(
    busy_with: int, chosen: int, noise: float
) -> None:
    gpu = SimulatedGpu(all_busy_with(busy_with))
    found = gpu.train(["gru"] * 3 * chosen, epochs=100, noise=noise)
    assert (gpu.search.slots, gpu.most) == (chosen, 2 * chosen)
    assert re.fullmatch(
        rf"takes {chosen} runs? at once: with {2 * chosen} the throughput "
        r"(grew by [0-4]\.\d|fell by \d\.\d) %\.",
        found[-1],
    )
    assert found[0] == "tries 2 runs at once."
    assert len(found) == math.log2(chosen) + 2, "the number that was chosen stays"


def test_cells_are_compared_with_themselves() -> None:
    gpu = SimulatedGpu(all_busy_with(4))
    found = gpu.train(["lstm", "rnn", "gru", "rnn"] * 5, epochs=100)
    assert gpu.search.slots == 4
    assert "takes 4 runs at once: with 8 the throughput" in found[-1]


def test_a_cell_that_leaves_more_of_the_gpu_idle_is_searched_for_anew() -> None:
    gpu = SimulatedGpu({"lstm": 2, "rnn": 8})
    found = gpu.train(["lstm"] * 6 + ["rnn"] * 30, epochs=200)
    chosen = [re.match(r"takes (\d+) run", each) for each in found]
    assert [int(each[1]) for each in chosen if each] == [2, 8]


def test_runs_that_end_all_the_time_are_measured() -> None:
    gpu = SimulatedGpu(all_busy_with(4))
    found = gpu.train(["gru"] * 120, epochs=4)
    assert gpu.search.is_over
    assert gpu.search.slots in (4, 8)
    assert all("the throughput" in each for each in found[1:])


def test_minutes_of_a_long_epoch_are_measured() -> None:
    gpu = SimulatedGpu(all_busy_with(4))
    gpu.train(["gru"] * 16, epochs=2, slow=200)
    assert (gpu.search.slots, gpu.search.is_over) == (4, True)


def test_training_is_measured_with_its_validation_in_long_epochs_too() -> None:
    gpu = SimulatedGpu(all_busy_with(1))
    found = gpu.train(["gru"] * 16, epochs=8, slow=22, validation=6)
    assert gpu.search.slots == 1, found


def test_where_nothing_can_be_measured_more_runs_start() -> None:
    gpu = SimulatedGpu(all_busy_with(4), limit=4)
    found = gpu.train(["gru"] * 40, epochs=1)
    assert found == [
        "tries 2 runs at once: with 1 nothing could be compared.",
        "tries 4 runs at once: with 2 nothing could be compared.",
        "takes 4 runs at once, the most that it may: with 4 nothing could be compared.",
    ]


def test_too_few_runs_say_nothing_about_more() -> None:
    search = ThroughputSearch(32, 32)
    now = 0.0
    for tokens in range(0, 100_000, 100):
        now += TICK
        paces = [Pace(f"run {n}", "gru", tokens // 1000, tokens) for n in range(5)]
        search.observe(now, paces[: search.slots])
    assert search.slots == 8
    assert not search.is_over


def test_no_more_run_than_cores_and_the_sweep_allow() -> None:
    gpu = SimulatedGpu(all_busy_with(12), limit=6)
    found = gpu.train(["gru"] * 40)
    assert (gpu.search.slots, gpu.most) == (6, 6)
    assert found[-1].startswith("takes 6 runs at once, the most that it may: with 6 the through")


@pytest.mark.parametrize(("memory", "most"), [(0.0, 4), (2.0, 2), (0.5, 8)])
def test_no_more_run_than_fit_by_the_memory_that_was_measured(memory: float, most: int) -> None:
    gpu = SimulatedGpu(all_busy_with(12), fitting=4.2)
    gpu.train(["gru"] * 40, memory=memory)
    assert (gpu.search.most, gpu.search.slots, gpu.most) == (most, most, most)


def test_a_search_that_ended_for_want_of_memory_goes_on_where_less_is_needed() -> None:
    gpu = SimulatedGpu(all_busy_with(8), fitting=2.0)
    found = gpu.train(["gru"] * 64, epochs=3, memory=0.2, slow=170)
    assert "takes 2 runs at once, the most that it may: with 2 the throughput grew by" in found[1]
    assert "tries 4 runs at once: more fit into its memory than estimated." in found
    assert gpu.search.slots == 8


def test_a_run_that_needs_more_memory_than_others_takes_slots_away() -> None:
    search = ThroughputSearch(8, 8)
    search.slots = 8
    found = search.observe(1.0, [Pace("run", "gru", 1, 1000, memory=1.7)])
    assert found == "takes 4 runs at once: more do not fit into its memory."
    assert search.slots == 4


def test_after_a_run_out_of_memory_no_more_than_fitted_start_again() -> None:
    gpu = SimulatedGpu({"lstm": 12, "rnn": 30})
    gpu.train(["lstm"] * 20 + ["rnn"] * 40, fits=6)
    assert (gpu.search.slots, gpu.search.most) == (6, 6)
    assert gpu.most == 6


@pytest.fixture
def one_gpu(two_gpus: Driver, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """The overrides of a sweep that measures on a GPU which takes at most two runs. In truth they
    train on the CPU, and a twentieth of a second of each is measured."""
    monkeypatch.setattr("rnn_bench.sweep.local.devices.cores", lambda: 2)
    monkeypatch.setattr(throughput_search, "SECONDS", 0.05)
    return "hydra.launcher.gpus=[0]", "hydra.launcher.jobs_per_gpu=measured"


def test_a_plan_does_not_know_what_will_be_measured(
    one_gpu: tuple[str, ...], rnn_bench: Command
) -> None:
    answer = rnn_bench("-m", "seed=0,1,2", "plan=true", *SMALL, *one_gpu)
    assert "\n3 runs, 2 at once if that pays, about " in answer.out


def test_a_sweep_says_what_it_measured_and_makes_every_run(
    one_gpu: tuple[str, ...], rnn_bench: Command, recorded_runs: Runs
) -> None:
    asked = changed(SMALL, "protocol.epochs=20")
    answer = rnn_bench("-m", "seed=0,1,2,3,4,5", *asked, *one_gpu)
    assert answer.status == 0
    assert "6 runs, more and more at once as long as that pays.\n" in answer.out
    assert answer.out.count("GPU 0 tries 2 runs at once.\n") == 1
    found = r"GPU 0 takes (1 run|2 runs) at once(, the most that it may)?: with 2 the throughput "
    assert len(re.findall(found, answer.out)) == 1
    runs = recorded_runs()
    assert [run.info.status for run in runs] == ["FINISHED"] * 6
    assert {run.data.tags["concurrent_jobs"] for run in runs} == {"varying"}


# A model of which two processes do not fit at once.
MODEL = """
import os
from contextlib import suppress
from pathlib import Path
import torch
from torch import nn
class Crowded(nn.Module):
    def __init__(self, *, vocabulary_size, classes, readout):
        super().__init__()
        self.output = nn.Linear(1, classes)
        for other in Path(".").glob("process-*"):
            with suppress(ProcessLookupError):
                os.kill(int(other.name[8:]), 0)
                raise torch.OutOfMemoryError("CUDA out of memory.")
        Path(f"process-{os.getpid()}").touch()
    def forward(self, tokens, lengths):
        return self.output(lengths[:, None].float())
"""


def test_a_sweep_whose_runs_do_not_fit_together_makes_them_in_turn(
    one_gpu: tuple[str, ...],
    rnn_bench: Command,
    recorded_runs: Runs,
    workplace: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (workplace / "conf" / "model").mkdir(parents=True)
    (workplace / "conf/model/crowded.yaml").write_text(
        "_target_: my_crowded.Crowded\nname: crowded\n"
    )
    (workplace / "my_crowded.py").write_text(MODEL)
    monkeypatch.syspath_prepend(workplace)
    answer = rnn_bench(
        *("--config-dir", "conf", "-m", "model=crowded", "seed=0,1,2,3,4,5,6,7", *SMALL_CORPUS),
        *("protocol.epochs=20", "protocol.patience=null", *one_gpu),
    )
    assert answer.status == 0
    assert answer.out.count("GPU 0 tries 2 runs at once.\n") == 1
    assert answer.out.count("It is tried again.\n") == 1
    assert answer.out.count("From now on GPU 0 takes 1 run at once.\n") == 1
    assert "GPU 0 takes 2" not in answer.out
    assert [run.info.status for run in recorded_runs()] == ["FINISHED"] * 8


class Observed(ThroughputSearch):
    """A search that notes which runs it is shown."""

    def observe(self, now: float, paces: Sequence[Pace]) -> str:
        self.shown = [pace.run for pace in paces]
        return ""


def test_each_gpu_is_measured_by_its_own_runs(new_run: NewRun) -> None:
    searches = [Observed(8, 8), Observed(8, 8)]
    devices = [Device(gpu, 1, n, searches[n]) for n, gpu in enumerate(GPUS)]
    waiting, *running = (replace(new_run(), run_key=f"key {n}", gpu=ANY_GPU) for n in range(3))
    for run in running:
        run.progress = Progress(state="training", fraction=0.5)
    scheduler = Scheduler([waiting], devices, Packed(), Mock(spec=Recorder))
    scheduler.workers = [
        Mock(spec=WorkerHandle, queued=run, device=device)
        for run, device in zip(running, devices, strict=True)
    ]
    scheduler._measure_throughput()
    assert [search.shown for search in searches] == [["key 1"], ["key 2"]]


def test_runs_out_of_memory_beyond_what_was_chosen_take_nothing_from_that() -> None:
    search = ThroughputSearch(16, 16)
    search.slots = 4  # the search went back from 8, of which all still run
    device = Device(GPUS[0], 4, 0, search)
    scheduler = Scheduler([], [device], Packed(), Mock(spec=Recorder))
    scheduler._start_fewer(device, running=8)
    assert (scheduler.devices[0].slots, search.most) == (4, 7)
    scheduler._start_fewer(device, running=3)
    assert (scheduler.devices[0].slots, search.slots, search.most) == (2, 2, 2)

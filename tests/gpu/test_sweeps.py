"""Runs that share a GPU: side by side, killed, too large, and evaluated further."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from mlflow.entities import Run

from rnn_bench.config.model import cell_names
from rnn_bench.config.schema import Config
from rnn_bench.data.encoding import encoded_corpus
from rnn_bench.sweep.local import throughput_search
from rnn_bench.sweep.local.devices import CUDA_CONTEXT, memory_need
from rnn_bench.sweep.local.throughput_search import Pace, ThroughputSearch
from tests.conftest import SMALL, Command, changed
from tests.evaluation.test_transfer import write_isot
from tests.gpu.conftest import Losses
from tests.survival.long_run import LONG, history, kill_after_some_epochs, predictions

Runs = Callable[[], list[Run]]
AtOnce = Callable[[int], str]
Compose = Callable[..., Config]

DOES_NOT_FIT = r"out of memory: \d+\.\d\d GiB asked for, \d+\.\d\d GiB free"

# Fills a share of the GPU's memory in its first forward pass. Model 1 waits until another has
# filled its share, and that one until model 1's process has ended.
FILLS = """
import os, time
from contextlib import suppress
from pathlib import Path
import torch
from torch import nn
class Fills(nn.Module):
    def __init__(self, number, share, *, vocabulary_size, classes, readout):
        super().__init__()
        self.number, self.share, self.filled = number, share, None
        self.output = nn.Linear(1, classes)
    def forward(self, tokens, lengths):
        if self.filled is None and tokens.is_cuda:
            self.fill(tokens.device)
        return self.output(lengths[:, None].float())
    def fill(self, device):
        tried = [*Path(".").glob("tried-*")]
        while self.number == 1 and not tried and not Path("filled").exists():
            time.sleep(0.01)
        Path(f"tried-{os.getpid()}").touch() if self.number == 1 else None
        size = int(self.share * torch.cuda.mem_get_info(device)[1])
        self.filled = torch.empty(size, dtype=torch.uint8, device=device)
        if self.number == 0:
            Path("filled").touch()
            while not (tried := [*Path(".").glob("tried-*")]):
                time.sleep(0.01)
            with suppress(ProcessLookupError):
                while os.kill(int(tried[0].name[6:]), 0) is None:
                    time.sleep(0.01)
"""


@pytest.fixture
def fills(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """The overrides of runs that fill a share of the GPU's memory."""
    (workplace / "conf" / "model").mkdir(parents=True)
    (workplace / "conf/model/fills.yaml").write_text(
        "_target_: my_fills.Fills\nname: fills\nnumber: 0\nshare: 0.6\n"
    )
    (workplace / "my_fills.py").write_text(FILLS)
    monkeypatch.syspath_prepend(workplace)
    small = [each for each in SMALL if not each.startswith("model.")]
    return ("--config-dir", "conf", "model=fills", *small)


def test_two_and_four_runs_at_once_have_the_losses_of_one_alone(
    device: str, at_once: AtOnce, rnn_bench: Command, recorded_runs: Runs, losses: Losses
) -> None:
    asked = changed(SMALL, "model.hidden_size=64", f"device={device}", "deterministic=true")
    found = {}
    for count in (1, 2, 4):
        answer = rnn_bench(
            *("-m", "model=gru,lstm", "seed=0,1", *asked, "rerun=true", at_once(count))
        )
        assert answer.status == 0
        assert f"4 runs, {count} at once." in answer.out
        runs = recorded_runs()[-4:]
        assert {run.data.tags["concurrent_jobs"] for run in runs} == {str(count)}
        found[count] = {run.info.run_name: losses(run) for run in runs}
    assert len(found[1]) == 4
    assert found[1] == found[2] == found[4]


def test_a_killed_run_goes_on_to_the_losses_of_an_undisturbed_one(
    device: str, workplace: Path, rnn_bench: Command, recorded_runs: Runs
) -> None:
    asked = (*LONG, f"device={device}", "deterministic=true")
    kill_after_some_epochs(workplace, recorded_runs, *asked)
    answer = rnn_bench(*asked)
    assert answer.status == 0
    assert "goes on after epoch" in answer.out
    (run,) = recorded_runs()
    rnn_bench(*asked, "rerun=true")
    undisturbed = recorded_runs()[-1]
    for metric in ("train_loss", "val_loss", "val_accuracy", "test_accuracy", "test_loss"):
        assert history(workplace, run, metric) == history(workplace, undisturbed, metric), metric
    assert predictions(run).equals(predictions(undisturbed))


def test_a_finished_run_is_transferred(
    device: str, workplace: Path, rnn_bench: Command, recorded_runs: Runs
) -> None:
    write_isot(workplace / "data")
    asked = (*SMALL, f"device={device}")
    assert rnn_bench(*asked).status == 0
    assert rnn_bench(*asked, "evaluation.transfer=[isot]").status == 0
    (run,) = recorded_runs()
    assert 0 <= run.data.metrics["transfer/isot/accuracy"] <= 1


def test_the_memory_preset_follows_each_cell_s_gradients(
    device: str, at_once: AtOnce, rnn_bench: Command, recorded_runs: Runs
) -> None:
    answer = rnn_bench(
        *("+experiment=memory", "dataset.cue_distance=5,25", "seed=0", "dataset.articles=192"),
        *("dataset.length=40", "protocol.epochs=1", f"device={device}", at_once(2)),
    )
    assert answer.status == 0
    runs = recorded_runs()
    assert len(runs) == 6
    assert all("gradient_flow/trained_state_reach" in run.data.metrics for run in runs)


@pytest.mark.usefixtures("gpu")
def test_runs_at_once_follow_from_throughput_and_from_the_memory_that_runs_held(
    rnn_bench: Command, recorded_runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two seconds of each are measured: which number is chosen depends on the card."""
    memory: set[float] = set()
    observe = ThroughputSearch.observe

    def watched(search: ThroughputSearch, now: float, paces: Sequence[Pace]) -> str:
        memory.update(pace.memory for pace in paces)
        return observe(search, now, paces)

    monkeypatch.setattr(ThroughputSearch, "observe", watched)
    monkeypatch.setattr(throughput_search, "SECONDS", 2.0)
    monkeypatch.setattr("rnn_bench.sweep.local.devices.cores", lambda: 4)
    answer = rnn_bench(
        *("-m", "model=gru", "seed=0,1,2,3,4,5,6,7,8,9,10,11", "dataset.articles=2400"),
        *("protocol.epochs=30", "protocol.patience=null", "device=cuda"),
        *("hydra.launcher.gpus=[0]", "hydra.launcher.jobs_per_gpu=measured"),
    )
    assert answer.status == 0
    assert "12 runs, at most 4 at once.\n" in answer.out
    assert re.search(r"GPU 0 (takes|tries) \d runs? at once.*: with \d the throughput", answer.out)
    assert [run.info.status for run in recorded_runs()] == ["FINISHED"] * 12
    assert 0.1 < max(memory) < 5, "times the estimate"


@pytest.mark.usefixtures("gpu")
def test_a_single_run_that_does_not_fit_says_how_much_it_asked_for(
    fills: tuple[str, ...], device: str, rnn_bench: Command, recorded_runs: Runs
) -> None:
    answer = rnn_bench(*fills, "model.share=2", f"device={device}")
    assert answer.status == 2
    assert re.fullmatch(DOES_NOT_FIT + "\n", answer.err)
    (run,) = recorded_runs()
    assert run.info.status == "FAILED"
    assert re.fullmatch(DOES_NOT_FIT, run.data.tags["error"])


@pytest.mark.usefixtures("gpu")
def test_a_run_that_another_left_no_room_for_is_made_after_it(
    fills: tuple[str, ...], rnn_bench: Command, recorded_runs: Runs
) -> None:
    answer = rnn_bench(
        *(*fills, "-m", "model.number=0,1", "hydra.launcher.jobs_per_gpu=2"),
        *("hydra.launcher.gpus=[0]", "device=cuda"),
    )
    assert answer.status == 0
    assert len(re.findall(f" failed: {DOES_NOT_FIT}. It is tried again.\n", answer.out)) == 1
    assert answer.out.count("From now on GPU 0 takes 1 run at once.\n") == 1
    assert [run.info.status for run in recorded_runs()] == ["FINISHED"] * 2


@pytest.mark.parametrize("cell", cell_names())
def test_a_run_needs_no_more_memory_than_it_is_packed_by(
    cell: str, gpu: torch.device, rnn_bench: Command, recorded_runs: Runs, configured: Compose
) -> None:
    """Of articles that are cut at 512 tokens; memory on the CPU is that of the whole process."""
    asked = ("dataset.articles=2400", "dataset.length=600", "protocol.epochs=1", f"model={cell}")
    config = configured(*asked)
    assert rnn_bench("-m", *asked, f"device={gpu}", launcher="packed").status == 0
    (run,) = recorded_runs()
    peak = run.data.metrics["peak_memory_bytes"]
    estimate = memory_need(config, encoded_corpus(config)) - CUDA_CONTEXT
    assert peak <= estimate <= 6 * peak

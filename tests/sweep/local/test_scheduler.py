"""How the runs of a sweep on this machine end: done, reused, failed, tried again."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow.entities import Run

from tests.conftest import SMALL, SMALL_CORPUS, Command

Runs = Callable[[], list[Run]]

MODELS = {
    "raises": "        raise RuntimeError('no memory left for this')",
    "dies": "        print('the last words', flush=True); os.kill(os.getpid(), 9)",
}
# A corpus whose reading, which comes before a row, hangs or kills in a run's process alone.
CORPUS = """
import os, time
from rnn_bench.data.corpus import Articles, Corpus
class Odd(Corpus):
    def __init__(self, how, *, data_dir):
        self.how = how
    def read(self):
        in_a_run = os.getpid() != int(os.environ["PARENT"])
        if in_a_run and self.how == "hangs":
            time.sleep(600)
        elif in_a_run and not (self.how == "recovers" and os.path.exists("tried")):
            if self.how == "recovers":
                open("tried", "w").close()
            os.kill(os.getpid(), 9)
        texts = ["sun and wind", "rain and wind"] * 40
        return Articles((texts, [0, 1] * 40), (texts[:10], [0, 1] * 5), ("dry", "wet"))
"""


@pytest.fixture
def mine(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one's own options: models and a corpus that come to grief."""
    for group in ("model", "dataset"):
        (workplace / "conf" / group).mkdir(parents=True)
    lines = ["import os", "from torch import nn"]
    for name, body in MODELS.items():
        lines += [
            f"class {name.title()}(nn.Module):",
            "    def __init__(self, *, vocabulary_size, classes, readout):",
            body,
            "    def forward(self, tokens, lengths):",
            "        return self.output(lengths[:, None].float())",
        ]
        (workplace / "conf/model" / f"{name}.yaml").write_text(
            f"_target_: my_models.{name.title()}\nname: {name}\n"
        )
    (workplace / "my_models.py").write_text("\n".join(lines))
    (workplace / "my_corpus.py").write_text(CORPUS)
    (workplace / "conf/dataset/odd.yaml").write_text(
        "_target_: my_corpus.Odd\nname: odd\nhow: dies\n"
    )
    monkeypatch.syspath_prepend(workplace)
    monkeypatch.setenv("PYTHONPATH", str(workplace), prepend=os.pathsep)
    monkeypatch.setenv("PARENT", str(os.getpid()))
    return workplace


def outcomes(runs: list[Run]) -> dict[str, str]:
    return {run.data.tags["model"]: run.data.tags["outcome"] for run in runs}


def test_a_good_a_raising_a_dying_and_a_diverging_run_in_one_sweep(
    mine: Path, rnn_bench: Command, recorded_runs: Runs
) -> None:
    answer = rnn_bench(
        *("--config-dir", "conf", "-m", "model=majority,raises,dies,rnn", *SMALL_CORPUS),
        *("protocol.epochs=2", "optimizer=sgd", "optimizer.lr=1e38"),
        *("protocol.gradient_clip_norm=null", "hydra.launcher.jobs=2"),
    )
    assert answer.status == 1
    runs = recorded_runs()
    assert outcomes(runs) == {
        "majority": "finished",
        "raises": "failed",
        "dies": "failed",
        "rnn": "diverged",
    }
    statuses = {run.data.tags["model"]: run.info.status for run in runs}
    assert (statuses["dies"], statuses["raises"], statuses["rnn"]) == (
        *("FAILED", "FAILED"),
        "FINISHED",
    )
    assert "Failed: raises-demo" in answer.out
    assert "RuntimeError: no memory left for this" in answer.out
    assert "The process was ended by SIGKILL, perhaps for want of memory." in answer.out
    assert "the last words" in answer.out, "its last log lines"
    assert "Traceback" not in answer.err
    for run in runs:
        assert (mine / "outputs/runs" / run.info.run_id / "log.txt").is_file()
    begun = [each.data.tags["model"] for each in sorted(runs, key=lambda run: run.info.start_time)]
    assert "majority" not in begun[:2], "the shortest run is not among the first"
    (diverged,) = (run for run in runs if run.data.tags["model"] == "rnn")
    assert (diverged.data.tags["concurrent_jobs"], diverged.data.tags["threads"]) == ("2", "1")
    outputs = [path.read_text() for path in (mine / "outputs/sweeps").glob("*/*/output.txt")]
    assert "the last words\n" in outputs, "what a run's process says is in a file of its own"
    assert len([*(mine / "outputs/sweeps").glob("*/*/.hydra/config.yaml")]) == 4


def test_a_run_that_dies_before_it_has_a_row_gets_one_and_is_tried_again(
    mine: Path, rnn_bench: Command, recorded_runs: Runs
) -> None:
    answer = rnn_bench(
        *("--config-dir", "conf", "-m", "model=majority", "dataset=odd"),
        *("dataset.how=dies,recovers", "hydra.launcher.retries=1"),
    )
    assert answer.status == 1
    rows = {run.data.params["dataset.how"]: run for run in recorded_runs()}
    assert len(recorded_runs()) == 2, "attempts share a row"
    dead, recovered = rows["dies"], rows["recovers"]
    assert (dead.info.status, dead.data.tags["outcome"]) == ("FAILED", "failed")
    assert "ended by SIGKILL" in dead.data.tags["error"]
    assert f"Failed: {dead.info.run_name}: " in answer.out
    assert answer.out.count("It is tried again.") == 2
    assert (recovered.info.status, recovered.data.tags["outcome"]) == ("FINISHED", "finished")
    assert "error" not in recovered.data.tags


def test_a_run_that_hangs_before_it_has_a_row_gets_one(
    mine: Path, rnn_bench: Command, recorded_runs: Runs
) -> None:
    answer = rnn_bench(
        *("--config-dir", "conf", "-m", "model=majority", "dataset=odd", "dataset.how=hangs"),
        "hydra.launcher.start_timeout=4",
    )
    assert answer.status == 1
    (run,) = recorded_runs()
    assert (run.info.status, run.data.tags["outcome"]) == ("FAILED", "failed")
    assert "did not start within 4 s" in run.data.tags["error"]


ANSWERED = ("-m", "model=majority,tfidf", "seed=0,1", *SMALL_CORPUS)


@pytest.fixture
def answered(rnn_bench: Command) -> None:
    """A store in which the four runs of `ANSWERED` are."""
    assert rnn_bench(*ANSWERED).status == 0


@pytest.fixture
def no_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(*arguments: object) -> None:
        raise AssertionError("a process is started")

    monkeypatch.setattr("rnn_bench.sweep.local.scheduler.WorkerHandle", start)


@pytest.mark.usefixtures("answered", "no_workers")
def test_runs_that_are_answered_take_no_process(rnn_bench: Command, recorded_runs: Runs) -> None:
    for _ in range(2):
        answer = rnn_bench(*ANSWERED, launcher="packed")
        assert answer.status == 0
        assert answer.out.count("  reused: run ") == 4
    assert len(recorded_runs()) == 4
    for run in recorded_runs():
        sweeps = [value for name, value in run.data.tags.items() if name.startswith("sweep.")]
        assert sorted(sweeps) == ["reused", "reused", "trained"]


def test_a_sweep_that_goes_on_shows_the_answered_runs_before_it_trains(
    rnn_bench: Command, recorded_runs: Runs
) -> None:
    shared = ("seed=0,1", "protocol.epochs=2", *SMALL_CORPUS)
    assert rnn_bench("-m", "model=majority", *shared).status == 0
    asked = ("-m", "model=rnn,majority", *shared, "hydra.launcher.jobs=1")
    answer = rnn_bench(*asked)
    assert answer.status == 0
    begun = answer.out.index("epoch  1/2")
    assert answer.out[:begun].count("  reused: run ") == 2


def test_an_answered_run_that_is_evaluated_further_takes_a_process(
    rnn_bench: Command, recorded_runs: Runs
) -> None:
    asked = ("-m", "model=rnn", *SMALL)
    assert rnn_bench(*asked).status == 0
    assert rnn_bench(*asked, "evaluation.gradient_flow=true", launcher="packed").status == 0
    (run,) = recorded_runs()
    assert "gradient_flow/trained_input_reach" in run.data.metrics
    sweeps = [value for name, value in run.data.tags.items() if name.startswith("sweep.")]
    assert sorted(sweeps) == ["reused", "trained"]


def test_a_question_asked_twice_in_one_sweep_is_trained_once(
    rnn_bench: Command, recorded_runs: Runs
) -> None:
    asked = ("-m", "model=majority", "threads=1,2", *SMALL_CORPUS, "hydra.launcher.jobs=2")
    answer = rnn_bench(*asked)
    assert answer.status == 0
    (run,) = recorded_runs()
    assert run.data.tags[f"sweep.{run.data.tags['sweep_id']}"] == "trained"
    assert answer.out.count("  reused: run ") == 1

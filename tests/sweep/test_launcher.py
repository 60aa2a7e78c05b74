"""What becomes of the runs of a sweep that are packed onto this machine."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from mlflow.entities import Run

from tests.conftest import SMALL, SMALL_CORPUS, Command
from tests.tracking.test_ledger import started

Runs = Callable[[], list[Run]]

MODELS = {
    "raises": "        raise RuntimeError('no memory left for this')",
    "dies": "        print('the last words', flush=True); os.kill(os.getpid(), 9)",
    "recovers": (
        "        if not os.path.exists('tried'):\n"
        "            open('tried', 'w').close()\n"
        "            os.kill(os.getpid(), 9)\n"
        "        super().__init__()\n"
        "        self.output = nn.Linear(1, classes)"
    ),
}
# A corpus whose reading, which comes before a row, hangs or kills in a sweep's own process alone.
CORPUS = """
import os, time
from rnn_bench.data.corpus import Articles, Corpus
class Odd(Corpus):
    def __init__(self, how, *, data_dir):
        self.how = how
    def read(self):
        if os.getpid() != int(os.environ["PARENT"]):
            time.sleep(600) if self.how == "hangs" else os.kill(os.getpid(), 9)
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
    monkeypatch.setenv("PYTHONPATH", str(workplace))
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
        "protocol.gradient_clip_norm=null",
        launcher="packed",
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


@pytest.mark.parametrize("how", ["dies", "hangs"])
def test_a_run_that_ends_before_it_has_a_row_gets_one(
    how: str, mine: Path, rnn_bench: Command, recorded_runs: Runs
) -> None:
    answer = rnn_bench(
        *("--config-dir", "conf", "-m", "model=majority", "dataset=odd", f"dataset.how={how}"),
        f"hydra.launcher.start_timeout={4 if how == 'hangs' else 60}",
    )
    assert answer.status == 1
    (run,) = recorded_runs()
    assert (run.info.status, run.data.tags["outcome"]) == ("FAILED", "failed")
    reason = "did not start within 4 s" if how == "hangs" else "ended by SIGKILL"
    assert reason in run.data.tags["error"]
    assert f"Failed: {run.info.run_name}: " in answer.out


def test_retries_try_again_in_the_same_row(
    mine: Path, rnn_bench: Command, recorded_runs: Runs
) -> None:
    answer = rnn_bench(
        *("--config-dir", "conf", "-m", "model=recovers", *SMALL_CORPUS, "protocol.epochs=1"),
        "hydra.launcher.retries=1",
    )
    assert answer.status == 0, answer.out
    assert "It is tried again." in answer.out
    (run,) = recorded_runs()
    assert outcomes([run]) == {"recovers": "finished"}


def test_what_a_run_s_process_says_is_in_its_own_file(
    mine: Path, rnn_bench: Command, recorded_runs: Runs
) -> None:
    rnn_bench("--config-dir", "conf", "-m", "model=dies", *SMALL_CORPUS, launcher="packed")
    (output,) = (mine / "outputs/sweeps").glob("*/0/output.txt")
    assert output.read_text() == "the last words\n"
    assert (output.parent / ".hydra/config.yaml").is_file()


def test_the_longest_run_begins_first_and_says_how_many_share_the_machine(
    workplace: Path, rnn_bench: Command, recorded_runs: Runs
) -> None:
    answer = rnn_bench("-m", "model=majority,rnn,gru", *SMALL_CORPUS, "hydra.launcher.jobs=1")
    assert answer.status == 0
    begun = sorted(recorded_runs(), key=lambda run: run.info.start_time)
    assert [run.data.tags["model"] for run in begun] == ["gru", "rnn", "majority"]
    assert {run.data.tags["concurrent_jobs"] for run in begun} == {"1"}
    assert {run.data.tags["threads"] for run in begun} == {"1"}


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("hydra.launcher.jobs=0", "hydra.launcher.jobs=0 is not possible"),
        ("hydra.launcher.jobs_per_gpu=many", "hydra.launcher.jobs_per_gpu=many is not possible"),
        ("hydra.launcher.gpus=[7]", "there is no GPU 7"),
        ("hydra.launcher.retries=-1", "hydra.launcher.retries=-1 is not possible"),
        ("hydra.launcher.start_timeout=0", "hydra.launcher.start_timeout=0"),
        ("hydra.launcher.job=2", "Did you mean hydra.launcher.jobs?"),
        ("hydra.launcher.jobs=1,2", "'hydra.launcher.jobs=1,2'"),
        ("hydra/launcher=pakced", "Did you mean packed?"),
        ("hydra/launcher=ray", "pip install 'rnn_bench[ray]'"),
    ],
)
def test_a_wrong_launcher_key_is_refused(
    override: str, says: str, rnn_bench: Command, recorded_runs: Runs
) -> None:
    answer = rnn_bench("-m", override)
    assert answer.status == 2
    assert says in answer.err
    assert len(answer.err.splitlines()) <= 6
    assert recorded_runs() == []


def test_children_end_when_the_parent_is_killed(workplace: Path, recorded_runs: Runs) -> None:
    process = started(
        *("-m", "model=gru", "seed=0,1,2", *SMALL, "dataset.articles=2000"),
        *("protocol.epochs=1000", "protocol.patience=null", "hydra.launcher.jobs=1"),
    )
    while not any("train_loss" in run.data.metrics for run in recorded_runs()):
        assert process.poll() is None
        time.sleep(0.1)
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    process.kill()
    process.communicate()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive

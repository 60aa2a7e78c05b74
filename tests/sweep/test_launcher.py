"""What becomes of the runs of a sweep that are packed onto this machine."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow.entities import Run

from tests.conftest import SMALL_CORPUS, Command

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

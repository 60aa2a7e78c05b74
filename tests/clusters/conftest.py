"""A sweep on a cluster: four runs, one of which dies, recorded by an MLflow server on PostgreSQL.

`make test-slurm` and `make test-ray` run these tests; `make test` does not. Where the machine
lacks what they need they are skipped with the reason.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from tests.clusters.servers import PATIENCE, mlflow_server, postgres, postgres_programs
from tests.conftest import SMALL_CORPUS, changed

DIES = """\
import os
from torch import nn


class Dies(nn.Module):
    def __init__(self, *, vocabulary_size, classes, readout):
        os.kill(os.getpid(), 9)
"""
LIVING = ("rnn", "gru", "majority")


@pytest.fixture(scope="session")
def database() -> Iterator[str]:
    programs = postgres_programs()
    if programs is None:
        pytest.skip("there is no PostgreSQL; on Debian: apt install postgresql")
    # Not among pytest's folders, which every pytest that starts makes its user's alone.
    with TemporaryDirectory() as folder, postgres(programs, Path(folder)) as address:
        yield address


@pytest.fixture(scope="session")
def tracking_server(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with mlflow_server(database, tmp_path_factory.mktemp("mlflow")) as address:
        yield address


@dataclass
class Sweeps:
    """Sweeps of one user, in a working folder with a model of theirs that kills its process."""

    folder: Path
    server: str
    environment: Mapping[str, str]

    def start(self, models: str, *more: str) -> subprocess.Popen[str]:
        command = ["-m", "rnn_bench", "--config-dir", "conf", "-m"]
        command += [f"model={models}", *changed([*SMALL_CORPUS, "protocol.epochs=2"], *more)]
        command += [f"tracking.experiment_name={self.folder.name}"]
        environment = {**os.environ, **self.environment, "MLFLOW_TRACKING_URI": self.server}
        environment["RNN_BENCH_CACHE"] = str(self.folder / "cache")
        return subprocess.Popen(
            [sys.executable, *command],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, models: str, *more: str) -> subprocess.CompletedProcess[str]:
        process = self.start(models, *more)
        out, err = process.communicate(timeout=PATIENCE)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def recorded(self) -> list[Run]:
        client = MlflowClient(self.server)
        experiment = client.get_experiment_by_name(self.folder.name)
        return [*client.search_runs([experiment.experiment_id])] if experiment else []


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    """A working folder with a model that kills its process."""
    (tmp_path / "mine.py").write_text(DIES)
    (tmp_path / "conf" / "model").mkdir(parents=True)
    (tmp_path / "conf" / "model" / "dies.yaml").write_text("_target_: mine.Dies\nname: dies\n")
    return tmp_path


def assert_the_living_are_answered_and_the_dead_is_named(
    sweeps: Sweeps, preset: Sequence[str], plugin: Sequence[str]
) -> None:
    """Four runs through our preset, of which one dies; then the others again through the plugin's
    own launcher."""
    answer = sweeps.run("dies,rnn,gru,majority", *preset)
    assert answer.returncode == 1, answer.stderr
    runs = {run.data.tags["model"]: run for run in sweeps.recorded()}
    assert runs.keys() == {"dies", *LIVING}, answer.stdout + answer.stderr
    for model in LIVING:
        assert runs[model].info.status == "FINISHED"
        assert 0 <= runs[model].data.metrics["test_accuracy"] <= 1
    assert runs["dies"].info.status == "FAILED"
    assert "Failed: dies-demo-" in answer.stdout
    assert answer.stdout.count("A job died.") == 1
    assert "Traceback" not in answer.stdout + answer.stderr
    for run in runs.values():
        assert (sweeps.folder / "outputs" / "runs" / run.info.run_id / "log.txt").is_file()

    again = sweeps.run(",".join(LIVING), *plugin)
    assert again.returncode == 0, again.stdout + again.stderr
    assert len(sweeps.recorded()) == 4
    for run in sweeps.recorded():
        states = {state for name, state in run.data.tags.items() if name.startswith("sweep.")}
        assert states == ({"failed"} if run.data.tags["model"] == "dies" else {"trained", "reused"})


def assert_ctrl_c_ends_the_jobs(sweeps: Sweeps, preset: Sequence[str]) -> None:
    """More runs than the cluster has room for; those that train stop, the others do not begin."""
    endless = ("protocol.epochs=100000", "protocol.patience=null", "seed=0,1,2,3,4,5")
    process = sweeps.start("gru", *preset, *endless)
    deadline = time.monotonic() + PATIENCE
    while sum("train_loss" in run.data.metrics for run in sweeps.recorded()) < 2:
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, out + err
    assert "Cancelling 6 jobs." in out
    assert err.endswith("Interrupted. The same command goes on from here.\n")
    runs = sweeps.recorded()
    assert 2 <= len(runs) < 6
    assert {(run.info.status, run.data.tags["outcome"]) for run in runs} == {("KILLED", "killed")}
    assert f"{6 - len(runs)} of 6 runs were not begun." in out
    assert "A job died" not in out
    last = {run.info.run_id: run.data.metrics for run in runs}
    time.sleep(3)
    assert {run.info.run_id: run.data.metrics for run in sweeps.recorded()} == last

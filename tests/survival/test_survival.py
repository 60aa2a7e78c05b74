"""Sweeps that are killed, doubled, or left without their tracking server."""

import os
import pty
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread, Timer

import psutil
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from rnn_bench.config.tracking import Tracking
from rnn_bench.tracking import schema
from rnn_bench.tracking.liveness import Owner, owner_tags
from rnn_bench.tracking.store import open_store
from tests.conftest import SMALL_CORPUS, changed
from tests.survival.long_run import LONG, history, predictions, started, wait_for
from tests.tracking.server import Server

Runs = Callable[[], list[Run]]

SWEEP = (
    *("-m", "model=rnn,gru", "seed=0,1"),
    *changed(LONG, "dataset.articles=2400", "protocol.epochs=30"),
    "hydra.launcher.jobs=2",
)
METRICS = ("train_loss", "val_loss", "val_accuracy", "test_accuracy", "test_loss")


@pytest.fixture(autouse=True)
def no_orphans() -> Iterator[None]:
    """Whatever becomes of a sweep, its processes end within seconds."""
    yield
    assert not [each for each in psutil.Process().children(recursive=True) if is_ours(each)]


def is_ours(process: psutil.Process) -> bool:
    try:
        return "rnn_bench" in " ".join(process.cmdline())
    except psutil.Error:
        return False


def kill_with_all(process: subprocess.Popen[str]) -> None:
    """As a machine does that loses power: the parent dies by -9, and the children see it."""
    children = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.communicate()
    _, alive = psutil.wait_procs(children, timeout=20)
    assert not alive, "orphans"


def test_a_sweep_killed_five_times_ends_as_if_undisturbed(
    workplace: Path, recorded_runs: Runs
) -> None:
    for _ in range(5):
        process = started(*SWEEP)
        time.sleep(random.uniform(4, 12))
        kill_with_all(process)
    process = started(*SWEEP)
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 0, out
    survived = [run for run in recorded_runs() if run.info.status == "FINISHED"]
    assert Counter(run.info.run_name for run in survived) == Counter(
        {run.info.run_name for run in survived}
    )
    assert len(survived) == 4
    assert not [run for run in recorded_runs() if run.info.status == "RUNNING"]

    process = started(*SWEEP, "rerun=true")
    process.communicate(timeout=300)
    mine = {run.info.run_id for run in survived}
    undisturbed = {run.info.run_name: run for run in recorded_runs() if run.info.run_id not in mine}
    for run in survived:
        other = undisturbed[run.info.run_name]
        for metric in METRICS:
            assert history(workplace, run, metric) == history(workplace, other, metric), metric
        assert predictions(run).equals(predictions(other))


OPEN = """
import sys
import time
from rnn_bench.config.tracking import Tracking
from rnn_bench.tracking.store import open_store
client, experiment = open_store(Tracking())
client.create_run(experiment)
"""


def test_processes_that_meet_on_a_new_store_all_find_it_working(tmp_path: Path) -> None:
    environment = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path / 'new.db'}"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN], env=environment, stderr=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    assert [process.communicate()[1] for process in processes] == [""] * 4
    assert [process.returncode for process in processes] == [0] * 4
    client, experiment = open_store(Tracking(uri=environment["MLFLOW_TRACKING_URI"]))
    assert len(client.search_runs([experiment])) == 4


def test_two_processes_with_one_question_answer_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RNN_BENCH_CACHE", str(tmp_path / "cache"))
    processes = [started("-m", "hydra/launcher=basic", "seed=0,1", *LONG) for _ in range(2)]
    outputs = [process.communicate(timeout=200)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    runs = client.search_runs(["1"])
    assert sorted((run.data.tags["seed"], run.info.status) for run in runs) == [
        ("0", "FINISHED"),
        ("1", "FINISHED"),
    ]
    for run in runs:
        sweeps = [value for name, value in run.data.tags.items() if name.startswith("sweep.")]
        assert sorted(sweeps) == ["reused", "trained"]


def test_two_sweeps_at_once_on_a_fresh_store_share_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RNN_BENCH_CACHE", str(tmp_path / "cache"))
    processes = [started(*SWEEP) for _ in range(2)]
    outputs = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    runs = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}").search_runs(["1"])
    assert [run.info.status for run in runs] == ["FINISHED"] * 4
    makers = Counter(run.data.tags["sweep_id"] for run in runs)
    assert len(makers) == 2, "each of them made some"
    for run in runs:
        sweeps = [value for name, value in run.data.tags.items() if name.startswith("sweep.")]
        assert sorted(sweeps) == ["reused", "trained"]


def test_a_tracking_server_that_is_away_for_a_while_costs_no_run(
    workplace: Path, recorded_runs: Runs
) -> None:
    server = Server(workplace)
    try:
        process = started(*SWEEP, f"tracking.uri={server.uri}")
        wait_for(lambda: any("val_loss" in run.data.metrics for run in recorded_runs()), process)
        server.stop()
        time.sleep(3)
        server.start()
        out, _ = process.communicate(timeout=300)
        assert process.returncode == 0, out
    finally:
        server.stop()
    runs = recorded_runs()
    assert [run.info.status for run in runs] == ["FINISHED"] * 4
    for run in runs:
        assert [step for step, _ in history(workplace, run, "val_loss")] == [*range(1, 31)]


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_leaves_rows_that_say_so_and_the_same_command_goes_on(
    times: int, workplace: Path, recorded_runs: Runs
) -> None:
    process = started(*SWEEP)
    wait_for(lambda: sum("val_loss" in run.data.metrics for run in recorded_runs()) >= 2, process)
    for _ in range(times):
        os.kill(process.pid, signal.SIGINT)
        time.sleep(0.05)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130, out
    assert "Traceback" not in out
    outcomes = Counter(run.data.tags.get("outcome") for run in recorded_runs())
    assert outcomes.keys() <= {"killed", *schema.ANSWERS}
    assert outcomes["killed"] >= 1
    again = started(*SWEEP)
    out, _ = again.communicate(timeout=300)
    assert again.returncode == 0, out
    assert [run.info.status for run in recorded_runs()] == ["FINISHED"] * 4


DEAF = """\
import time
from torch import nn


class Deaf(nn.Module):
    def __init__(self, *, vocabulary_size, classes, readout):
        super().__init__()
        self.output = nn.Linear(1, classes)

    def forward(self, tokens, lengths):
        print("asleep", flush=True)
        time.sleep(1000)
"""


# A corpus that is never read to its end in the process of a run, which has no row before.
SLOW = """
import multiprocessing, os, pathlib, time
from rnn_bench.data.corpus import Articles, Corpus
class Slow(Corpus):
    def __init__(self, *, data_dir):
        pass
    def read(self):
        if multiprocessing.parent_process():
            pathlib.Path(os.environ["SLOW"]).touch()
            time.sleep(600)
        texts = ["sun and wind", "rain and wind"] * 40
        return Articles((texts, [0, 1] * 40), (texts[:10], [0, 1] * 5), ("dry", "wet"))
"""


def test_a_second_ctrl_c_ends_runs_that_do_not_listen(workplace: Path, recorded_runs: Runs) -> None:
    (workplace / "my_models.py").write_text(DEAF)
    (workplace / "conf/model").mkdir(parents=True)
    option = "_target_: my_models.Deaf\nname: deaf\n"
    (workplace / "conf/model/deaf.yaml").write_text(option)
    process = started("--config-dir", "conf", "-m", "model=deaf", "seed=0,1,2", *SMALL_CORPUS)
    outputs = workplace / "outputs/sweeps"

    def asleep() -> int:
        return sum("asleep" in file.read_text() for file in outputs.glob("*/*/output.txt"))

    wait_for(lambda: asleep() == 2, process)
    process.send_signal(signal.SIGINT)
    time.sleep(3)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130, out
    assert "1 of 3 runs were not begun." in out
    ends = [(run.info.status, run.data.tags["outcome"]) for run in recorded_runs()]
    assert ends == [("KILLED", "killed")] * 2


def read_all(terminal: int) -> None:
    with suppress(OSError):  # the other end is closed
        while os.read(terminal, 4096):
            pass


@pytest.mark.parametrize("launcher", ["packed", "basic"])
def test_a_closed_terminal_stops_a_sweep_that_goes_on_later(
    launcher: str, workplace: Path, recorded_runs: Runs
) -> None:
    """Its whole group gets SIGHUP, and whatever is written to it fails."""
    sweep = ("-m", "model=rnn,gru", "seed=0,1", *changed(LONG, "protocol.epochs=9000"))
    command = [sys.executable, "-m", "rnn_bench", *sweep, f"hydra/launcher={launcher}"]
    process, terminal = pty.fork()
    if process == 0:
        os.execv(sys.executable, command)
    Thread(target=read_all, args=(os.dup(terminal),), daemon=True).start()
    ours = psutil.Process(process)
    latest = Timer(120, ours.kill)
    latest.start()
    while not any("val_loss" in run.data.metrics for run in recorded_runs()):
        assert ours.status() != psutil.STATUS_ZOMBIE, "the sweep has ended"
        time.sleep(0.05)
    children = ours.children(recursive=True)
    os.killpg(process, signal.SIGHUP)
    os.close(terminal)
    _, status = os.waitpid(process, 0)
    latest.cancel()
    assert os.waitstatus_to_exitcode(status) == 130
    assert not psutil.wait_procs(children, timeout=20)[1]
    assert {run.info.status for run in recorded_runs()} == {"KILLED"}


def test_nohup_keeps_a_sweep_from_the_end_of_its_terminal(
    workplace: Path, recorded_runs: Runs
) -> None:
    command = ["nohup", sys.executable, "-m", "rnn_bench", "-m", *LONG]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, process_group=0
    )
    wait_for(lambda: any("val_loss" in run.data.metrics for run in recorded_runs()), process)
    os.killpg(process.pid, signal.SIGHUP)
    out, _ = process.communicate(timeout=200)
    assert process.returncode == 0, out
    assert {run.info.status for run in recorded_runs()} == {"FINISHED"}


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_sweep_that_is_stopped_before_its_runs_have_rows_adds_none(
    number: signal.Signals, workplace: Path, recorded_runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workplace / "my_corpus.py").write_text(SLOW)
    (workplace / "conf/dataset").mkdir(parents=True)
    (workplace / "conf/dataset/slow.yaml").write_text("_target_: my_corpus.Slow\nname: slow\n")
    monkeypatch.setenv("SLOW", str(workplace / "asleep"))
    command = [sys.executable, "-m", "rnn_bench", "--config-dir", "conf", "-m", "dataset=slow"]
    process = subprocess.Popen(
        [*command, "model=majority"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
    )
    wait_for((workplace / "asleep").exists, process)
    os.killpg(process.pid, number)
    assert process.stdout
    while "Stopping" not in process.stdout.readline():
        assert process.poll() is None
    os.killpg(process.pid, number)  # it reads no batch at which it could stop
    out, _ = process.communicate(timeout=100)
    assert process.returncode == 130, out
    assert "1 of 1 runs were not begun." in out
    assert "Failed" not in out
    assert recorded_runs() == []


def test_a_run_that_waits_for_another_sweep_s_is_not_late(
    workplace: Path, recorded_runs: Runs
) -> None:
    """The other's row is this process's, which ends it after more than the start_timeout."""
    sweep = ("-m", "model=majority", *SMALL_CORPUS, "hydra.launcher.start_timeout=8")
    started(*sweep).communicate(timeout=100)
    (run,) = recorded_runs()
    client = MlflowClient(f"sqlite:///{workplace / 'mlflow.db'}")
    for name, value in owner_tags(Owner.this_process()).items():
        client.set_tag(run.info.run_id, name, value)
    client.update_run(run.info.run_id, status="RUNNING")
    ending = Timer(25, client.set_terminated, (run.info.run_id, "FINISHED"))
    ending.start()
    began = time.monotonic()
    process = started(*sweep)
    out, _ = process.communicate(timeout=100)
    ending.join()
    assert time.monotonic() - began > 25
    assert process.returncode == 0, out
    assert "  waits for " in out
    assert len(recorded_runs()) == 1

"""NVIDIA's MPS for a sweep. Its program is a stand-in here, whose protocol is its command line."""

import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from rnn_bench.sweep.local.devices import Device
from rnn_bench.sweep.local.mps import CONTROL, computing_at_once
from rnn_bench.sweep.local.throughput_search import ThroughputSearch
from tests.conftest import Command
from tests.sweep.local.conftest import GPUS, INSTANCE

SHARED = [Device(gpu, 2) for gpu in GPUS]
PIPE, LOG = "CUDA_MPS_PIPE_DIRECTORY", "CUDA_MPS_LOG_DIRECTORY"

# `-d` starts a daemon and ends; else a command is read that goes to the daemon, if there is one.
PROGRAM = f"""#!/bin/sh
if [ "$1" = -d ]; then
    [ -e "$RECORD.fails" ] && echo "Insufficient permissions." && exit 1
    sleep 600 & echo $! >"${PIPE}/daemon"
    echo "${PIPE} ${LOG} $CUDA_VISIBLE_DEVICES" >>"$RECORD"
elif read -r command && [ "$command" = get_server_list ]; then
    [ -e "$RECORD.daemon" ]
else
    echo "$command" >>"$RECORD"
    kill "$(cat "${PIPE}/daemon")"
fi
"""
SLEEPS = """
import logging
from rnn_bench.sweep.local.mps import computing_at_once
from tests.sweep.local.test_mps import SHARED
with computing_at_once("auto", SHARED):
    print("inside", flush=True)
    __import__("time").sleep(600)
"""


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the program was told; it is on the path."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / CONTROL
    program.write_text(PROGRAM)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    monkeypatch.setenv("RECORD", str(tmp_path / "record"))
    monkeypatch.delenv(PIPE, raising=False)
    return tmp_path / "record"


def daemon_and_folder(record: Path) -> tuple[int, Path]:
    pipe = Path(record.read_text().split()[0])
    return int((pipe / "daemon").read_text()), pipe.parent


def test_it_lasts_as_long_as_the_sweep(record: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"), computing_at_once("auto", SHARED):
        assert caplog.messages == ["Runs of a GPU compute at the same time, by MPS."]
        daemon, folder = daemon_and_folder(record)
        assert psutil.pid_exists(daemon)
        pipe, logs = os.environ[PIPE], os.environ[LOG]
        assert record.read_text() == f"{pipe} {logs} GPU-aa11,GPU-bb22\n"
    assert record.read_text().splitlines()[1:] == ["quit -t 10"]
    assert PIPE not in os.environ
    assert not folder.exists()
    wait_until(lambda: not psutil.pid_exists(daemon))


def test_it_has_every_gpu_of_the_sweep(record: Path) -> None:
    """A run that finds the daemon sees no other GPU than the daemon's."""
    others = [Device(GPUS[1], 1, 1), Device(None, 4)]
    for first in (Device(GPUS[0], 2), Device(GPUS[0], 1, search=ThroughputSearch(8, 1.0))):
        record.unlink(missing_ok=True)
        with computing_at_once("auto", [first, *others]):
            pass
        assert record.read_text().splitlines()[0].endswith(" GPU-aa11,GPU-bb22")


def test_a_daemon_that_runs_already_is_used(record: Path, caplog: pytest.LogCaptureFixture) -> None:
    Path(f"{record}.daemon").touch()
    with caplog.at_level("INFO"), computing_at_once("auto", SHARED):
        assert PIPE not in os.environ
    assert caplog.messages == [
        "Runs of a GPU compute at the same time, by the MPS daemon that runs already."
    ]
    assert not record.exists()


@pytest.mark.parametrize("runs", [True, False])
def test_without_the_program_a_daemon_whose_folder_is_named_is_used(
    runs: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv(PIPE, str(tmp_path))
    if runs:
        (tmp_path / "control").touch()
    with caplog.at_level("INFO"), computing_at_once("auto", SHARED):
        pass
    (said,) = caplog.messages
    assert said.startswith("Runs of a GPU compute at the same time, by") == runs


def test_it_ends_with_a_sweep_that_is_killed(record: Path) -> None:
    sweep = subprocess.Popen([sys.executable, "-c", SLEEPS], stdout=subprocess.PIPE, text=True)
    assert sweep.stdout
    assert sweep.stdout.readline() == "inside\n"
    daemon, folder = daemon_and_folder(record)
    sweep.send_signal(signal.SIGKILL)
    sweep.communicate()
    wait_until(lambda: not folder.exists() and not psutil.pid_exists(daemon))
    assert record.read_text().splitlines()[1:] == ["quit -t 10"]


def wait_until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_socket_s_path_is_short_in_a_long_temporary_folder(
    record: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("long" * 20)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    with computing_at_once("auto", SHARED):
        assert len(os.environ[PIPE] + "/control_privileged") < 108


@pytest.mark.parametrize(
    ("case", "says"),
    [
        ("fails", "nvidia-cuda-mps-control says: Insufficient permissions."),
        ("missing", "there is no nvidia-cuda-mps-control."),
        ("split", "a GPU is split into instances (MIG)."),
        ("instance", "a GPU is split into instances (MIG)."),
        ("WSL", "it does not exist on WSL."),
    ],
)
def test_where_it_cannot_start_a_line_says_why(
    case: str,
    says: str,
    record: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    devices = [*SHARED]
    if case == "fails":
        Path(f"{record}.fails").touch()
    elif case == "missing":
        monkeypatch.setattr(shutil, "which", lambda program: None)
    elif case == "split":
        devices.append(Device(replace(GPUS[0], free=0), 2))
    elif case == "instance":
        devices.append(Device(replace(GPUS[0], uuid=INSTANCE), 2))
    else:
        monkeypatch.setattr(platform, "release", lambda: "5.15-microsoft-standard-WSL2")
    with computing_at_once("auto", devices):
        assert PIPE not in os.environ
    assert caplog.messages == [f"Runs of a GPU take turns, without MPS: {says}"]
    assert not record.exists()


def test_it_is_not_started_unasked_or_for_one_run_at_a_time(record: Path) -> None:
    for mode, devices in (
        ("off", SHARED),
        ("auto", [Device(GPUS[0], 1)]),
        ("auto", [Device(None, 8)]),
    ):
        with computing_at_once(mode, devices):
            assert PIPE not in os.environ
    assert not record.exists()


@pytest.mark.usefixtures("two_gpus")
def test_a_sweep_s_runs_find_it(
    record: Path, rnn_bench: Command, saying: Callable[[str], tuple[str, ...]]
) -> None:
    answer = rnn_bench(
        *(*saying(PIPE), "hydra.launcher.gpus=[0]", "hydra.launcher.jobs_per_gpu=2"),
        "hydra.launcher.mps=auto",
    )
    assert answer.status == 1
    assert answer.out.count("Runs of a GPU compute at the same time, by MPS.\n") == 1
    pipe = record.read_text().split()[0]
    assert answer.out.count(f"failed: RuntimeError: I find {pipe}\n") == 2
    assert record.read_text().endswith(" GPU-aa11\nquit -t 10\n")

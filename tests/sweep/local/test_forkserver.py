"""Starting the processes of a sweep's runs."""

import multiprocessing.forkserver
import os
import sys
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from rnn_bench.sweep.local import forkserver


def send_environment(connection: Connection) -> None:
    names = (*forkserver.THREAD_COUNTS, "CUDA_VISIBLE_DEVICES", "OF_THE_TEST")
    environment = {name: os.environ.get(name) for name in names}
    connection.send(({*sys.modules}, environment, Path.cwd()))


def test_a_process_has_its_own_environment_and_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forkserver.start_forkserver()
    monkeypatch.setenv("OF_THE_TEST", "set later")
    monkeypatch.chdir(tmp_path)
    ours, theirs = forkserver.context.Pipe()
    process = forkserver.start_process(send_environment, (theirs,), threads=3, gpu="GPU-7")
    modules, environment, folder = ours.recv()
    process.join()
    assert environment == {
        **dict.fromkeys(forkserver.THREAD_COUNTS, "3"),
        **{"CUDA_VISIBLE_DEVICES": "GPU-7", "OF_THE_TEST": "set later"},
    }
    assert folder == tmp_path
    assert ("torch" in modules) == forkserver.FORKS


@pytest.mark.skipif(not forkserver.FORKS, reason="processes are not forked here")
def test_the_forkserver_has_one_thread() -> None:
    ours, theirs = forkserver.context.Pipe()
    forkserver.start_process(send_environment, (theirs,), threads=1, gpu="").join()
    assert "pandas" in ours.recv()[0], "which starts a thread elsewhere"
    server = multiprocessing.forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
    assert "Threads:\t1\n" in Path(f"/proc/{server}/status").read_text()

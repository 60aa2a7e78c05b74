"""How the processes of a sweep begin."""

import os
import sys
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from rnn_bench.sweep.local import forkserver as spawning


def say(connection: Connection) -> None:
    names = (*spawning.OF_THREADS, "CUDA_VISIBLE_DEVICES", "OF_THE_TEST")
    environment = {name: os.environ.get(name) for name in names}
    connection.send(({*sys.modules}, environment, Path.cwd()))


def test_a_process_has_its_own_environment_and_the_folder_of_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spawning.prepare()
    monkeypatch.setenv("OF_THE_TEST", "set later")
    monkeypatch.chdir(tmp_path)
    ours, theirs = spawning.context.Pipe()
    started = spawning.process(say, (theirs,), threads=3, gpu="GPU-7")
    modules, environment, folder = ours.recv()
    started.join()
    assert environment == {
        **dict.fromkeys(spawning.OF_THREADS, "3"),
        **{"CUDA_VISIBLE_DEVICES": "GPU-7", "OF_THE_TEST": "set later"},
    }
    assert folder == tmp_path
    assert ("torch" in modules) == spawning.FORKS


@pytest.mark.skipif(not spawning.FORKS, reason="processes are not forked here")
def test_what_is_forked_has_one_thread() -> None:
    ours, theirs = spawning.context.Pipe()
    spawning.process(say, (theirs,), threads=1, gpu="").join()
    assert "pandas" in ours.recv()[0], "which starts a thread elsewhere"
    forked = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
    assert "Threads:\t1\n" in Path(f"/proc/{forked}/status").read_text()

import ctypes
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rnn_bench.models.kernels import library
from rnn_bench.models.kernels.library import Unavailable, compiler

load = library.library.__wrapped__  # as in a new process


@pytest.fixture(autouse=True)
def quickly_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests compile, and call nothing."""
    monkeypatch.setattr(library, "OPTIONS", ("-std=c++17", "-O0", "-fPIC", "-shared"))
    try:
        compiler()
    except Unavailable as reason:
        pytest.skip(str(reason))


def counted_compiler(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the compiler be one that notes each file it compiles; returns the notes."""
    notes, script = folder / "notes", folder / "c++"
    script.write_text(
        f'#!/bin/sh\ncase "$*" in *--version*) ;; *) echo "$*" >> {notes};; esac\n'
        f'exec {" ".join(compiler())} "$@"\n'
    )
    script.chmod(0o755)
    monkeypatch.setenv("CXX", str(script))
    return notes


def test_jobs_that_need_it_at_once_compile_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = counted_compiler(tmp_path, monkeypatch)
    with ThreadPoolExecutor(3) as jobs:
        loaded = [*jobs.map(lambda _: load(tmp_path), range(3))]
    assert len(notes.read_text().splitlines()) == 1
    assert all(isinstance(each, ctypes.CDLL) for each in loaded)
    assert {path.suffix for path in (tmp_path / "kernels").iterdir()} == {".so", ".sha256", ".lock"}


@pytest.mark.parametrize("damage", ["truncated", "foreign", "without seal"])
def test_a_damaged_file_is_noticed_and_compiled_anew(
    damage: str, compiled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = counted_compiler(tmp_path, monkeypatch)
    monkeypatch.setattr(library, "MAIN", str(tmp_path / "small.cpp"))
    (tmp_path / "small.cpp").write_text(
        'extern "C" { void recurrence_sizes() {} void recurrence_forward() {} '
        "void recurrence_backward() {} }"
    )
    load(tmp_path)
    (file,) = (tmp_path / "kernels").glob("*.so")
    sound = file.read_bytes()
    file.unlink()  # this process has the old file open
    if damage == "truncated":
        file.write_bytes(sound[: len(sound) // 2])
    elif damage == "foreign":
        file.write_bytes(b"something else")
    else:
        file.write_bytes(sound)
        file.with_suffix(".sha256").unlink()
    load(tmp_path)
    assert file.read_bytes()[:4] == sound[:4]
    assert len(file.read_bytes()) == len(sound)
    assert len(notes.read_text().splitlines()) == 2
    load(tmp_path)
    assert len(notes.read_text().splitlines()) == 2


def test_what_killed_compilers_left_behind_is_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pids, script = tmp_path / "pid", tmp_path / "sleeping"
    script.write_text(
        f'#!/bin/sh\ncase "$*" in *--version*) exit 0;; esac\necho $$ > {pids}\nexec sleep 600\n'
    )
    script.chmod(0o755)
    monkeypatch.setenv("CXX", str(script))
    code = (
        "import sys; from pathlib import Path; from rnn_bench.models.kernels import library;"
        "library.library(Path(sys.argv[1]))"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)])
    while not (pids.exists() and pids.read_text().strip()):
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.wait()
    os.kill(int(pids.read_text()), signal.SIGKILL)
    (left,) = (tmp_path / "kernels").glob("tmp*")
    old = tmp_path / "kernels" / "tmpabc"  # of another compiler, long ago
    old.mkdir()
    for folder in (left, old):
        os.utime(folder, (0, 0))
    monkeypatch.delenv("CXX")
    notes = counted_compiler(tmp_path, monkeypatch)
    load(tmp_path)
    assert notes.exists()
    assert [*(tmp_path / "kernels").glob("tmp*")] == []


def test_without_a_compiler_there_is_no_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(Unavailable, match=r"there is no C\+\+ compiler"):
        load(tmp_path)


def test_a_compiler_that_fails_is_named_with_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "OPTIONS", ("-shared", "-DINLINE=nonsense", "-std=c++17"))
    with pytest.raises(Unavailable, match=r"cannot compile it: .*error"):
        load(tmp_path)
    assert [*(tmp_path / "kernels").glob("*.so")] == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "kernels").write_text("a file")
    with pytest.raises(Unavailable, match="kernels"):
        load(tmp_path)


@pytest.mark.parametrize("instructions", ["the least", "this processor's"])
def test_every_cell_is_sound_under_the_sanitizers(instructions: str, tmp_path: Path) -> None:
    driver, sources = Path(__file__).parent / "driver.cpp", Path(library.__file__).parent
    own = () if instructions == "the least" else library.INSTRUCTIONS.get(library.level(), ())
    command = [
        *(*compiler(), *own),
        *("-std=c++17", "-O0", "-g1", "-fopenmp", "-ffp-contract=fast", "-Wall", "-Wextra"),
        *("-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
        *(f"-I{sources}", str(driver), "-o", str(tmp_path / "driver")),
    ]
    made = subprocess.run(command, capture_output=True, text=True)
    if made.returncode and "san" in made.stderr and "cannot find" in made.stderr:
        pytest.skip("the compiler has no sanitizers")
    assert (made.returncode, made.stderr) == (0, "")
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    ran = subprocess.run([tmp_path / "driver"], capture_output=True, text=True, env=environment)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "sound\n", "")

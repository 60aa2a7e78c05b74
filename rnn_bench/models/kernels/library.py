"""Compile the kernel's C++ once for a machine, and load it."""

import ctypes
import functools
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import time
from enum import IntEnum
from pathlib import Path

import torch
from filelock import FileLock

SOURCES = ("*.cpp", "*.h")
MAIN = "recurrence.cpp"
OPTIONS = ("-std=c++17", "-O3", "-ffp-contract=fast", "-fopenmp", "-fPIC", "-shared")
# The instructions for each of torch's levels; any processor of that level can run the library.
INSTRUCTIONS = {"AVX512": ("-march=x86-64-v4",), "AVX2": ("-march=x86-64-v3",)}
COMPILE_SECONDS = 300


class Unavailable(Exception):
    """The kernel cannot be used on this machine. The message says why."""


class FusedCell(IntEnum):
    """The cells that the kernel computes, numbered as geometry.h's enum Cell."""

    RNN, GRU, LSTM = range(3)


class Readout(IntEnum):
    """What the kernel returns of the states, numbered as readouts.h's enum Readout."""

    EVERY_STEP, LAST, MEAN, MAX = range(4)


class Sequence(ctypes.Structure):
    """A tensor [articles, steps, features] whose features lie side by side."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("article_stride", ctypes.c_int64),
        ("step_stride", ctypes.c_int64),
    )


class Weights(ctypes.Structure):
    _fields_ = tuple(
        (name, ctypes.c_void_p) for name in ("input", "hidden", "input_bias", "hidden_bias")
    )


class Call(ctypes.Structure):
    """The arguments of the kernel, as recurrence.cpp's struct of this name lays them out."""

    _fields_ = (
        *(
            (name, ctypes.c_int64)
            for name in (
                *("cell", "inputs", "hidden", "articles", "steps", "shards", "training"),
                *("readout", "reversed"),
            )
        ),
        ("lengths", ctypes.c_void_p),
        ("weights", Weights),
        ("kept", ctypes.c_void_p),
        ("scratch", ctypes.c_void_p),
        ("input", Sequence),
        ("states", Sequence),
        ("read", ctypes.c_void_p),
        ("d_weights", Weights),
    )


class Sizes(ctypes.Structure):
    """The sizes of the memory that a `Call` needs, in floats."""

    _fields_ = tuple(
        (name, ctypes.c_int64) for name in ("kept", "forward_scratch", "backward_scratch")
    )


def is_known_to_win() -> bool:
    """Return whether the kernel was measured to be faster than torch on such a processor."""
    return level() in INSTRUCTIONS


def level() -> str:
    """Return the vector instructions that torch uses here: AVX512, AVX2 or another name."""
    return torch.backends.cpu.get_cpu_capability()


def compiler() -> tuple[str, ...]:
    """Return the C++ compiler's command: $CXX, or the first that there is of c++, g++, clang++.

    Raises:
        Unavailable: there is none.
    """
    for command in (shlex.split(os.environ.get("CXX", "")), ["c++"], ["g++"], ["clang++"]):
        if command and shutil.which(command[0]):
            return tuple(command)
    raise Unavailable("there is no C++ compiler: $CXX, c++, g++ or clang++")


@functools.cache
def library(cache_dir: Path) -> ctypes.CDLL:
    """Return the kernel's library, compiled into `<cache_dir>/kernels` unless it is there.

    Its name is a hash of the sources, the compiler and the processor's level. Processes that need
    it at the same time compile it once. A damaged file is replaced.

    Raises:
        Unavailable: there is no compiler, or it fails, or the folder cannot be written.
    """
    command = (*compiler(), *OPTIONS, *INSTRUCTIONS.get(level(), ()))
    folder = cache_dir / "kernels"
    try:
        version = subprocess.run(
            [*compiler(), "--version"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True
        ).stdout
        here = Path(__file__).parent
        sources = [path.read_bytes() for kind in SOURCES for path in sorted(here.glob(kind))]
        name = _hash([version, *map(str.encode, command), platform.machine().encode(), *sources])
        file = folder / f"{name[:32]}.so"
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(file.with_suffix(".lock")):
            if not _is_sound(file):
                _compile(command, file)
        library = ctypes.CDLL(str(file))
    except subprocess.CalledProcessError as error:
        lines = (error.stderr or b"").decode(errors="replace").strip().splitlines()
        reason = next((line for line in lines if "error" in line), lines[0] if lines else error)
        raise Unavailable(f"{shlex.join(compiler())} cannot compile it: {reason}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{shlex.join(compiler())} cannot compile it: {error}") from error
    library.recurrence_sizes.restype = Sizes
    library.recurrence_forward.restype = library.recurrence_backward.restype = None
    return library


def _hash(parts: list[bytes]) -> str:
    return hashlib.sha256(b"\0".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def _compile(command: tuple[str, ...], file: Path) -> None:
    """Compile the library into the file, and write its hash beside it. The caller holds the file's
    lock. What compilers that were killed left behind is deleted."""
    for left in file.parent.glob("tmp*"):
        if left.name == f"tmp-{file.stem}" or _age(left) > 2 * COMPILE_SECONDS:
            shutil.rmtree(left, ignore_errors=True)
    temporary = file.parent / f"tmp-{file.stem}"
    temporary.mkdir()
    try:
        part = temporary / file.name
        subprocess.run(
            [*command, "-o", part, Path(__file__).parent / MAIN],
            capture_output=True,
            check=True,
            timeout=COMPILE_SECONDS,
        )
        seal = temporary / "seal"
        seal.write_text(_hash([part.read_bytes()]))
        part.replace(file)
        seal.replace(file.with_suffix(".sha256"))
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _age(path: Path) -> float:
    """Return the seconds since a folder was changed; 0 if it is gone."""
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0.0


def _is_sound(file: Path) -> bool:
    """Return whether the file is as compiled. A torn one can end the process that loads it."""
    try:
        return file.with_suffix(".sha256").read_text() == _hash([file.read_bytes()])
    except (OSError, UnicodeDecodeError):
        return False

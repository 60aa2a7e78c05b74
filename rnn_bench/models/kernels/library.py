"""The kernel's C++, compiled once for a machine, and called."""

import ctypes
import functools
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
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
    """Says why there is no library for this machine."""


class FusedCell(IntEnum):
    """The cells that the kernel computes, numbered as geometry.h's enum Cell."""

    RNN, GRU, LSTM = range(3)


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
    """What recurrence.cpp's struct of this name says."""

    _fields_ = (
        *(
            (name, ctypes.c_int64)
            for name in ("cell", "inputs", "hidden", "articles", "steps", "shards", "training")
        ),
        ("lengths", ctypes.c_void_p),
        ("weights", Weights),
        ("kept", ctypes.c_void_p),
        ("scratch", ctypes.c_void_p),
        ("input", Sequence),
        ("states", Sequence),
        ("last", ctypes.c_void_p),
        ("d_weights", Weights),
    )


class Sizes(ctypes.Structure):
    """In floats."""

    _fields_ = tuple(
        (name, ctypes.c_int64) for name in ("kept", "forward_scratch", "backward_scratch")
    )


def is_known_to_win() -> bool:
    """Whether the kernel was measured to be faster than torch on processors like this one."""
    return level() == "AVX512"


def level() -> str:
    """The processor's vector instructions that torch uses: AVX512, AVX2 or another name."""
    return torch.backends.cpu.get_cpu_capability()


def compiler() -> tuple[str, ...]:
    """The C++ compiler's command.

    Raises:
        Unavailable: there is none.
    """
    asked = shlex.split(os.environ.get("CXX", ""))
    for command in (asked, ["c++"], ["g++"], ["clang++"]):
        if command and shutil.which(command[0]):
            return tuple(command)
    raise Unavailable("there is no C++ compiler: $CXX, c++, g++ or clang++")


@functools.cache
def library(cache_dir: Path) -> ctypes.CDLL:
    """The kernel's library, compiled into `<cache_dir>/kernels` unless it is there.

    Its name is a hash of the sources, the compiler and the processor's level. Processes that need
    it at once compile it once. A file that is not what was compiled is not loaded, but replaced.

    Raises:
        Unavailable: there is no compiler, or it fails, or the folder cannot be written.
    """
    command = (*compiler(), *OPTIONS, *INSTRUCTIONS.get(level(), ()))
    folder = cache_dir / "kernels"
    try:
        version = subprocess.run(
            [*compiler(), "--version"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True
        ).stdout
        name = _hash([version, *map(str.encode, command), platform.machine().encode(), *_texts()])
        file = folder / f"{name[:32]}.so"
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(file.with_suffix(".lock")):
            if not _is_sound(file):
                _compile(command, file)
        return _declared(ctypes.CDLL(str(file)))
    except subprocess.CalledProcessError as error:
        said = (error.stderr or b"").decode(errors="replace").strip().splitlines()
        reason = next((line for line in said if "error" in line), said[0] if said else error)
        raise Unavailable(f"{shlex.join(compiler())} cannot compile it: {reason}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{shlex.join(compiler())} cannot compile it: {error}") from error


def _texts() -> list[bytes]:
    here = Path(__file__).parent
    return [file.read_bytes() for kind in SOURCES for file in sorted(here.glob(kind))]


def _hash(parts: list[bytes]) -> str:
    return hashlib.sha256(b"\0".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def _compile(command: tuple[str, ...], file: Path) -> None:
    """Put a new library in the file's place, beside it its hash."""
    with tempfile.TemporaryDirectory(dir=file.parent) as temporary:
        part = Path(temporary) / file.name
        subprocess.run(
            [*command, "-o", part, Path(__file__).parent / MAIN],
            capture_output=True,
            check=True,
            timeout=COMPILE_SECONDS,
        )
        seal = Path(temporary) / "seal"
        seal.write_text(_hash([part.read_bytes()]))
        part.replace(file)
        seal.replace(_seal(file))


def _seal(file: Path) -> Path:
    return file.with_suffix(".sha256")


def _is_sound(file: Path) -> bool:
    """Whether it is the file that was compiled. A torn one can end the process that loads it."""
    try:
        return _seal(file).read_text() == _hash([file.read_bytes()])
    except (OSError, UnicodeDecodeError):
        return False


def _declared(library: ctypes.CDLL) -> ctypes.CDLL:
    library.recurrence_sizes.restype = Sizes
    for function in (library.recurrence_forward, library.recurrence_backward):
        function.restype = None
    return library

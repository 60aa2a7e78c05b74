"""Describe the machine and the versions that a benchmark is measured with."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import psutil

from rnn_bench.training.device import cores

PACKAGES = ("rnn_bench", "torch", "numpy", "mlflow", "keras", "jax")


def machine() -> dict[str, str]:
    memory = psutil.virtual_memory().total / 2**30
    found = {
        "CPU": cpu_model(),
        "cores": str(cores()),
        "memory": f"{memory:.0f} GiB",
        "system": platform.platform(terse=True),
    }
    return {**found, "GPU": gpu} if (gpu := gpu_model()) else found


def cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def gpu_model() -> str:
    """Return the first GPU's name and driver from nvidia-smi, "" if there is none."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader", "--id=0"]
    try:
        return subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def versions() -> dict[str, str]:
    found = {"Python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def has_cuda_core() -> bool:
    """Return whether the fused kernel for GPUs can be compiled here."""
    return find_spec("cuda") is not None and find_spec("cuda.core") is not None

"""Stand-ins for the runs of a sweep and for a machine with GPUs."""

from collections.abc import Callable
from pathlib import Path

import pynvml
import pytest
import torch

from rnn_bench.config.composition import Composer
from rnn_bench.data.encoding import encoded_corpus
from rnn_bench.sweep.local.gpus import Gpu
from rnn_bench.sweep.local.queued_run import QueuedRun
from tests.conftest import SMALL_CORPUS

NewRun = Callable[..., QueuedRun]

GIB = 2**30
GPUS = [Gpu(0, "GPU-aa11", 80 * GIB), Gpu(1, "GPU-bb22", 8 * GIB)]
INSTANCE = "MIG-cc33"  # of a GPU that is split, with 10 GiB


class Memory:
    def __init__(self, free: int) -> None:
        self.free = free


class Driver:
    """NVML on a machine with GPUS, where a handle is a UUID. Those of `split` have MIG instances,
    and `open` counts users."""

    def __init__(self) -> None:
        self.free = {**{gpu.uuid: gpu.free for gpu in GPUS}, INSTANCE: 10 * GIB}
        self.split: set[str] = set()
        self.open = 0

    def nvmlInit(self) -> None:  # noqa: N802
        self.open += 1

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.open -= 1

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return len(GPUS)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> str:  # noqa: N802
        return GPUS[index].uuid

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:  # noqa: N802
        if uuid not in self.free:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return uuid

    def nvmlDeviceGetUUID(self, handle: str) -> str:  # noqa: N802
        return handle

    def nvmlDeviceGetMigMode(self, handle: str) -> list[int]:  # noqa: N802
        if handle not in self.split:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return [pynvml.NVML_DEVICE_MIG_ENABLE] * 2

    def nvmlDeviceGetMemoryInfo(self, handle: str) -> Memory:  # noqa: N802
        return Memory(self.free[handle])


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> Driver:
    """A machine with two GPUs, and a torch that has CUDA."""
    driver = Driver()
    for name in dir(driver):
        if name.startswith("nvml"):
            monkeypatch.setattr(pynvml, name, getattr(driver, name))
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return driver


@pytest.fixture
def saying(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], tuple[str, ...]]:
    """The overrides of two runs that fail, and whose errors say what an environment variable is."""

    def overrides(variable: str) -> tuple[str, ...]:
        monkeypatch.syspath_prepend(workplace)
        (workplace / "conf" / "model").mkdir(parents=True)
        (workplace / "conf" / "model" / "says.yaml").write_text(
            "_target_: my_says.Says\nname: says\nnumber: 0\n"
        )
        (workplace / "my_says.py").write_text(
            "import os\n"
            "from torch import nn\n"
            "class Says(nn.Module):\n"
            "    def __init__(self, number, *, vocabulary_size, classes, readout):\n"
            f"        raise RuntimeError('I find ' + os.environ['{variable}'])\n"
        )
        return "--config-dir", "conf", "-m", "model=says", "model.number=1,2", *SMALL_CORPUS

    return overrides


@pytest.fixture
def new_run(workplace: Path) -> NewRun:
    """Makes waiting runs of a seed and an estimate in seconds."""
    composer = Composer()
    job = composer.job(composer.compose([*SMALL_CORPUS, "sweep_id=test"]))
    corpus = encoded_corpus(job.config)

    def make(seed: int = 0, estimate: float = 60.0) -> QueuedRun:
        return QueuedRun(job, corpus, f"gru-demo-s{seed}", "key", estimate, gpu=None)

    return make

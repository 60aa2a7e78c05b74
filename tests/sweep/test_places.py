"""Which run goes where, on machines that this one is not."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch

from rnn_bench.config.launcher import Packed
from rnn_bench.config.schema import Config
from rnn_bench.data.encoding import encoded_corpus
from rnn_bench.sweep.local.devices import Gpu, Place, admitted, memory_need, places, visible_gpus
from tests.conftest import SMALL_CORPUS, Command

Compose = Callable[..., Config]
GIB = 2**30

GPUS = [Gpu(0, "GPU-aa11", 80 * GIB), Gpu(1, "GPU-bb22", 8 * GIB)]
NVIDIA_SMI = """#!/bin/sh
echo "0, GPU-aa11, 81920"
echo "1, GPU-bb22, 8192"
"""


@pytest.fixture
def nvidia_smi(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose nvidia-smi shows two GPUs, with a torch that has CUDA."""
    program = workplace / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text(NVIDIA_SMI)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.mark.usefixtures("nvidia_smi")
def test_nvidia_smi_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert visible_gpus() == GPUS
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert visible_gpus() == GPUS[1:]
    monkeypatch.setattr(torch.version, "cuda", None)
    assert visible_gpus() == []


@pytest.mark.parametrize(
    ("visible", "indexes"),
    [
        (None, [0, 1]),
        ("", []),
        ("1,0", [1, 0]),
        ("GPU-bb", [1]),
        ("0,7,1", [0]),
        ("-1", []),
    ],
)
def test_what_cuda_would_see_is_visible(visible: str | None, indexes: list[int]) -> None:
    assert [gpu.index for gpu in admitted(GPUS, visible)] == indexes


def slots(found: Sequence[Place]) -> dict[int | None, int]:
    return {place.gpu.index if place.gpu else None: place.slots for place in found}


def test_runs_are_packed_by_memory_on_gpus_and_by_cores_elsewhere(
    configured: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rnn_bench.sweep.local.devices.cores", lambda: 16)
    run = (configured(), 3 * GIB)
    assert slots(places(Packed(), GPUS, [run] * 50)) == {0: 8, 1: 2}
    assert slots(places(Packed(jobs_per_gpu=3), GPUS, [run] * 50)) == {0: 3, 1: 3}
    assert slots(places(Packed(), [], [run] * 50)) == {None: 16}
    assert slots(places(Packed(jobs=5), [], [run] * 50)) == {None: 5}
    assert slots(places(Packed(), [], [(configured("threads=4"), 1)] * 50)) == {None: 4}
    assert slots(places(Packed(), GPUS, [run] * 4)) == {0: 2, 1: 2}


def test_a_large_gpu_takes_at_least_four_runs(
    configured: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = encoded_corpus(configured(*SMALL_CORPUS))
    monkeypatch.setattr("rnn_bench.sweep.local.devices.cores", lambda: 4)
    for cell in ("rnn", "lstm", "gru"):
        config = configured(f"model={cell}", "model.hidden_size=512")
        run = (config, memory_need(config, corpus))
        (place,) = places(Packed(), GPUS[:1], [run] * 20)
        assert place.slots >= 4


def test_a_device_decides_the_place(configured: Compose) -> None:
    wanted = ("device=cpu", "device=cuda:1", "model=tfidf")
    runs = [(configured(each), GIB) for each in wanted]
    assert slots(places(Packed(), GPUS, runs)) == {1: 1, None: 2}


def test_more_layers_need_more_memory(configured: Compose) -> None:
    corpus = encoded_corpus(configured(*SMALL_CORPUS))
    small, large = (
        memory_need(configured(f"model.num_layers={layers}"), corpus) for layers in (1, 4)
    )
    assert 0.6 * GIB < small < large


@pytest.mark.usefixtures("nvidia_smi")
def test_each_process_sees_its_own_gpu_and_the_parent_none(
    workplace: Path, rnn_bench: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The processes' torch here has no CUDA: what matters is their environment."""

    def never() -> None:
        raise AssertionError("the parent touches CUDA")

    monkeypatch.setattr("torch.cuda._lazy_init", never)
    monkeypatch.syspath_prepend(workplace)
    (workplace / "conf" / "model").mkdir(parents=True)
    (workplace / "conf" / "model" / "says.yaml").write_text(
        "_target_: my_gpu.Says\nname: says\nnumber: 0\n"
    )
    (workplace / "my_gpu.py").write_text(
        "import os\n"
        "from torch import nn\n"
        "class Says(nn.Module):\n"
        "    def __init__(self, number, *, vocabulary_size, classes, readout):\n"
        "        raise RuntimeError('I see ' + os.environ['CUDA_VISIBLE_DEVICES'])\n"
    )
    answer = rnn_bench(
        *("--config-dir", "conf", "-m", "model=says", "model.number=1,2", *SMALL_CORPUS),
        "hydra.launcher.jobs_per_gpu=1",
    )
    assert answer.status == 1
    assert "I see GPU-aa11" in answer.out
    assert "I see GPU-bb22" in answer.out
    assert "CUDA_VISIBLE_DEVICES" not in os.environ

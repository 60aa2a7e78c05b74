"""Which GPUs a sweep may use, on machines that this one is not."""

import pynvml
import pytest
import torch

from rnn_bench.sweep.local.gpus import Gpu, admitted_gpus, visible_gpus
from tests.sweep.local.conftest import GIB, GPUS, INSTANCE, Driver


def test_nvml_lists_the_gpus(two_gpus: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    assert visible_gpus() == GPUS
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert visible_gpus() == GPUS[1:]
    assert two_gpus.open == 0, "NVML is closed again"
    monkeypatch.setattr(torch.version, "cuda", None)
    assert visible_gpus() == []


def test_a_machine_without_a_driver_has_no_gpus(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def without_driver(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(pynvml, "nvmlLib", None)
    monkeypatch.setattr(pynvml, "CDLL", without_driver)
    assert visible_gpus() == []
    assert capfd.readouterr() == ("", "")


def test_a_driver_that_fails_shows_no_gpus(
    two_gpus: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(handle: str) -> str:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)

    monkeypatch.setattr(pynvml, "nvmlDeviceGetUUID", fail)
    assert visible_gpus() == []
    assert two_gpus.open == 0


def test_a_mig_instance_has_its_own_memory_and_a_split_gpu_none(
    two_gpus: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_gpus.split.add("GPU-bb22")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", f"1,{INSTANCE},MIG-unknown")
    assert visible_gpus() == [
        *(Gpu(1, "GPU-bb22", 0), Gpu(1, INSTANCE, 10 * GIB), Gpu(2, "MIG-unknown", 0))
    ]


@pytest.mark.parametrize(
    ("visible", "indexes"),
    [(None, [0, 1]), ("", []), ("1,0", [1, 0]), ("GPU-bb", [1]), ("0,7,1", [0]), ("-1", [])],
)
def test_what_cuda_would_see_is_visible(visible: str | None, indexes: list[int]) -> None:
    uuids = [gpu.uuid for gpu in GPUS]
    assert admitted_gpus(uuids, visible) == [(index, uuids[index]) for index in indexes]

"""The NVIDIA GPUs that a sweep may use."""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import torch

from rnn_bench.config.errors import ConfigError
from rnn_bench.config.launcher import Packed


@dataclass(frozen=True)
class Gpu:
    """A GPU with nvidia-smi's number (`index`) and UUID, and its free memory in bytes."""

    index: int
    uuid: str
    free: int


def visible_gpus() -> list[Gpu]:
    """Return the GPUs that $CUDA_VISIBLE_DEVICES admits, in its order; none if torch has no CUDA or
    there is no driver. They are read from NVML, which creates no CUDA context in this process."""
    if torch.version.cuda is None:
        return []
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        handles = map(pynvml.nvmlDeviceGetHandleByIndex, range(pynvml.nvmlDeviceGetCount()))
        uuids = [str(pynvml.nvmlDeviceGetUUID(handle)) for handle in handles]
        admitted = admitted_gpus(uuids, os.environ.get("CUDA_VISIBLE_DEVICES"))
        return [Gpu(index, uuid, _free_memory(uuid)) for index, uuid in admitted]
    except pynvml.NVMLError:
        return []
    finally:
        pynvml.nvmlShutdown()


def _free_memory(uuid: str) -> int:
    """Return the free memory in bytes of a GPU or MIG instance; 0 if it is unknown, or the GPU is
    split into instances, since a process can use only one of them."""
    import pynvml

    try:
        handle = pynvml.nvmlDeviceGetHandleByUUID(uuid)
        with suppress(pynvml.NVMLError):  # an instance, or a GPU that cannot be split
            if pynvml.nvmlDeviceGetMigMode(handle)[0] == pynvml.NVML_DEVICE_MIG_ENABLE:
                return 0
        return int(pynvml.nvmlDeviceGetMemoryInfo(handle).free)
    except pynvml.NVMLError:
        return 0


def admitted_gpus(uuids: Sequence[str], visible: str | None) -> list[tuple[int, str]]:
    """Return index and UUID of the GPUs that a value of $CUDA_VISIBLE_DEVICES names, by number or
    by the beginning of the UUID.

    As in CUDA, an entry that names no GPU hides the later ones. A MIG instance is named by its
    UUID, and its index is its position.
    """
    gpus = [*enumerate(uuids)]
    if visible is None:
        return gpus
    admitted: list[tuple[int, str]] = []
    for part in visible.split(","):
        name = part.strip()
        if name.startswith("MIG-"):
            admitted.append((len(admitted), name))
            continue
        named = [
            (index, uuid)
            for index, uuid in gpus
            if name == str(index) or (name.startswith("GPU-") and uuid.startswith(name))
        ]
        if len(named) != 1:
            break
        admitted += named
    return admitted


def chosen_gpus(packing: Packed, gpus: Sequence[Gpu]) -> list[Gpu]:
    """Return the visible GPUs that `hydra.launcher.gpus` names.

    Raises:
        ConfigError: one of them is not visible.
    """
    if packing.gpus == "auto":
        return [*gpus]
    by_index = {gpu.index: gpu for gpu in gpus}
    for index in packing.gpus:
        if index not in by_index:
            seen = ", ".join(map(str, by_index)) or "none"
            raise ConfigError(
                f"hydra.launcher.gpus={packing.gpus} is not possible: there is no GPU {index}. "
                f"Visible GPUs: {seen}."
            )
    return [by_index[index] for index in packing.gpus]

"""Trace an epoch of a training with torch's profiler: the kernels of a GPU in all of it, or a step
in its middle, with what the host does meanwhile.
"""

import functools
import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from rnn_bench.training.epochs import EpochResult, Training

EPOCH = 4  # those before also compile, allocate, and capture graphs of all lengths
HOST = {"evaluate_function": "backward", "Optimizer": "optimizer"}  # by part of a name
FORWARD = "batch, forward, clipping"
KERNELS = {
    "recurrence": ("rnn", "lstm", "gru", "persist", "recurrence"),
    "products": ("gemm", "cutlass", "xmma", "cublas", "splitk"),
    "optimizer": ("adam", "multi_tensor", "fused_optim"),
    "copies": ("memcpy", "memset"),
}
REST = "other kernels"

Piece = tuple[str, float, float]  # its kind, begin, and end in microseconds


def trace_kernels(path: Path) -> None:
    """Have the next training write a JSON file on its epoch EPOCH: the microseconds of each kernel
    of the GPU, the seconds of the epoch, and those in which the GPU computes."""

    def traced(epoch: Callable[[], EpochResult]) -> EpochResult:
        with profile(activities=[ProfilerActivity.CUDA]) as found:
            began = time.perf_counter()
            result = epoch()
            torch.cuda.synchronize()
            seconds = time.perf_counter() - began
        kernels = {each.key: each.self_device_time_total for each in found.key_averages()}
        busy = covered(
            (each.time_range.start, each.time_range.end)
            for each in found.events()
            if each.device_type == DeviceType.CUDA and not each.is_user_annotation
        )
        facts = {"kernels": kernels, "seconds": seconds, "busy_seconds": busy / 1e6}
        path.write_text(json.dumps(facts))
        return result

    _replace_epoch(lambda training, epoch: traced(epoch))


def trace_step(path: Path) -> None:
    """Have the next training write a JSON file on a step in its epoch EPOCH: the pieces of the
    host and of the GPU."""

    def traced(training: Training, epoch: Callable[[], EpochResult]) -> EpochResult:
        step, number = training.step, 0

        def counted(articles: Tensor, longest: int) -> None:
            nonlocal number
            number += 1
            if number != (training.updates + 1) // 2:
                step(articles, longest)
                return
            is_on_gpu = training.device.type == "cuda"
            activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * is_on_gpu
            if is_on_gpu:
                torch.cuda.synchronize()
            with profile(activities=activities) as found:
                step(articles, longest)
                if is_on_gpu:
                    torch.cuda.synchronize()
            path.write_text(json.dumps(pieces(found.events())))

        training.step = counted
        try:
            return epoch()
        finally:
            training.step = step

    _replace_epoch(traced)


def _replace_epoch(
    traced: Callable[[Training, Callable[[], EpochResult]], EpochResult],
) -> None:
    usual = Training._epoch

    def epoch_of(self: Training, epoch: int, *more: Any) -> EpochResult:
        train = functools.partial(usual, self, epoch, *more)
        return traced(self, train) if epoch == EPOCH else train()

    Training._epoch = epoch_of  # type: ignore[method-assign]


def pieces(events: Iterable[Any]) -> dict[str, list[Piece]]:
    """Return the kinds of what the profiler saw, from the first begin on: of the host what no other
    event is around, of the GPU each kernel."""
    found: dict[str, list[Piece]] = {"host": [], "GPU": []}
    for each in events:
        if each.is_user_annotation and each.device_type == DeviceType.CUDA:
            continue  # of an optimizer: no kernel
        name, times = each.name, (each.time_range.start, each.time_range.end)
        if each.device_type == DeviceType.CUDA:
            kinds = (k for k, parts in KERNELS.items() if any(p in name.lower() for p in parts))
            found["GPU"].append((next(kinds, REST), *times))
        elif each.cpu_parent is None and "ynchronize" not in name:
            kind = next((kind for part, kind in HOST.items() if part in name), FORWARD)
            found["host"].append((kind, *times))
    first = min(begin for lane in found.values() for _, begin, _ in lane)
    return {
        lane: [(kind, begin - first, end - first) for kind, begin, end in each]
        for lane, each in found.items()
        if each
    }


def covered(intervals: Iterable[tuple[float, float]]) -> float:
    """Return the length that intervals cover together."""
    length, reached = 0.0, float("-inf")
    for begin, end in sorted(intervals):
        length += max(0.0, end - max(begin, reached))
        reached = max(reached, end)
    return length

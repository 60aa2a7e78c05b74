"""Which run goes where, on machines that this one is not."""

import os
from collections.abc import Callable, Sequence

import pytest

from rnn_bench.config.launcher import Packed
from rnn_bench.config.schema import Config
from rnn_bench.data.encoding import encoded_corpus
from rnn_bench.models.initial import initial_model
from rnn_bench.sweep.local.devices import Device, memory_need, share_devices
from rnn_bench.sweep.local.gpus import Gpu
from tests.conftest import SMALL_CORPUS, Command
from tests.sweep.local.conftest import GIB, GPUS

Compose = Callable[..., Config]


def slots(devices: Sequence[Device]) -> dict[int | None, int]:
    return {device.gpu.index if device.gpu else None: device.slots for device in devices}


def test_runs_are_packed_by_memory_on_gpus_and_by_cores_elsewhere(
    configured: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rnn_bench.sweep.local.devices.cores", lambda: 16)
    run = (configured(), 3 * GIB)
    assert slots(share_devices(Packed(), GPUS, [run] * 50)) == {0: 8, 1: 2}
    assert slots(share_devices(Packed(jobs_per_gpu=3), GPUS, [run] * 50)) == {0: 3, 1: 3}
    assert slots(share_devices(Packed(), [], [run] * 50)) == {None: 16}
    assert slots(share_devices(Packed(jobs=5), [], [run] * 50)) == {None: 5}
    assert slots(share_devices(Packed(), [], [(configured("threads=4"), 1)] * 50)) == {None: 4}
    assert slots(share_devices(Packed(), GPUS, [run] * 4)) == {0: 2, 1: 2}


def test_by_throughput_memory_and_cores_limit_how_many_runs_are_tried(
    configured: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    packing, large = Packed(jobs_per_gpu="measured"), [Gpu(0, "GPU-aa11", 1000 * GIB)]
    for cores, gpus, runs, most in (
        (40, GPUS, 50, {0: 20, 1: 2}),
        (40, GPUS[:1], 50, {0: 26}),
        (40, GPUS[:1], 5, {0: 5}),
        (64, large, 50, {0: 48}),
        (2, large, 50, {0: 2}),
    ):
        monkeypatch.setattr("rnn_bench.sweep.local.devices.cores", lambda: cores)  # noqa: B023
        devices = share_devices(packing, gpus, [(configured(), 3 * GIB)] * runs)
        assert slots(devices) == most
        assert [each.search.most for each in devices if each.search] == [*most.values()]
        assert [each.search.slots for each in devices if each.search] == [1] * len(gpus)


def test_a_large_gpu_takes_at_least_four_runs(
    configured: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = encoded_corpus(configured(*SMALL_CORPUS))
    monkeypatch.setattr("rnn_bench.sweep.local.devices.cores", lambda: 4)
    for cell in ("rnn", "lstm", "gru"):
        config = configured(f"model={cell}", "model.hidden_size=512")
        run = (config, memory_need(config, corpus))
        (device,) = share_devices(Packed(), GPUS[:1], [run] * 20)
        assert device.slots >= 4


def test_a_config_s_device_decides_where_its_run_goes(configured: Compose) -> None:
    wanted = ("device=cpu", "device=cuda:1", "model=tfidf")
    runs = [(configured(each), GIB) for each in wanted]
    assert slots(share_devices(Packed(), GPUS, runs)) == {1: 1, None: 2}


def test_more_layers_need_more_memory(configured: Compose) -> None:
    corpus = encoded_corpus(configured(*SMALL_CORPUS))
    small, large = (
        memory_need(configured(f"model.num_layers={layers}"), corpus) for layers in (1, 4)
    )
    assert 0.6 * GIB < small < large


def test_an_average_of_the_weights_needs_the_memory_of_another_model(configured: Compose) -> None:
    config, plain = (configured(*SMALL_CORPUS, f"protocol.ema_decay={each}") for each in (0.99, 0))
    corpus = encoded_corpus(config)
    weights = initial_model(config, corpus).parameters()
    without = memory_need(plain, corpus)
    assert memory_need(config, corpus) - without >= 4 * sum(each.numel() for each in weights)


@pytest.mark.usefixtures("two_gpus")
def test_each_process_sees_its_own_gpu_and_the_parent_none(
    rnn_bench: Command,
    saying: Callable[[str], tuple[str, ...]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The processes' torch here has no CUDA: what matters is their environment."""

    def never() -> None:
        raise AssertionError("the parent touches CUDA")

    monkeypatch.setattr("torch.cuda._lazy_init", never)
    answer = rnn_bench(*saying("CUDA_VISIBLE_DEVICES"), "hydra.launcher.jobs_per_gpu=1")
    assert answer.status == 1
    assert "I find GPU-aa11" in answer.out
    assert "I find GPU-bb22" in answer.out
    assert "CUDA_VISIBLE_DEVICES" not in os.environ

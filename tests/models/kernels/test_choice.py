import logging
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from mlflow.entities import Run
from torch import Tensor, nn

from rnn_bench.config.errors import ConfigError, OutOfMemory
from rnn_bench.config.schema import Config
from rnn_bench.models.kernels import choice, library
from rnn_bench.models.kernels.choice import fused_kernel
from rnn_bench.models.kernels.fused import FusedKernel
from rnn_bench.tracking.run_key import run_key, run_name, settings
from tests.conftest import SMALL, Command

CPU = torch.device("cpu")
Compose = Callable[..., Config]
Runs = Callable[[], list[Run]]


class Sums(nn.Module):
    """A user's cell."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.inwards = nn.Linear(input_size, hidden_size)

    def forward(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        return self.inwards(inputs).cumsum(1)


@pytest.fixture
def winning(kernel: FusedKernel, monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor on which the kernel is known to win."""
    monkeypatch.setattr(choice, "is_known_to_win", lambda: True)


def test_auto_takes_the_kernel_where_it_computes_the_same(
    winning: None, configured: Compose
) -> None:
    assert fused_kernel(configured(), CPU)
    for readout in ("padded_end", "mean", "max"):
        assert fused_kernel(configured(f"protocol.readout={readout}"), CPU)
    assert fused_kernel(configured("model.bidirectional=true"), CPU)
    for other in (
        ("model.kernel=torch",),
        (f"model.cell={__name__}.Sums",),
        ("model=tfidf",),
        ("protocol.precision=bfloat16",),
        ("protocol.precision=tf32",),
    ):
        assert fused_kernel(configured(*other), CPU) is None
    assert fused_kernel(configured(), torch.device("cuda")) is None


def test_auto_leaves_other_processors_to_torch(
    configured: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "level", lambda: "DEFAULT")
    assert fused_kernel(configured(), CPU) is None


def test_without_a_compiler_torch_computes_with_one_line_in_the_log(
    configured: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog
) -> None:
    monkeypatch.setattr(choice, "is_known_to_win", lambda: True)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    library.library.cache_clear()
    config = configured(f"cache_dir={tmp_path / 'other'}")
    with caplog.at_level(logging.INFO, "rnn_bench"):
        assert fused_kernel(config, CPU) is None
    (line,) = caplog.messages
    assert "there is no C++ compiler" in line
    with pytest.raises(ConfigError, match=r"model.kernel=fused is not possible: there is no"):
        fused_kernel(configured(f"cache_dir={tmp_path / 'other'}", "model.kernel=fused"), CPU)


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ((f"model.cell={__name__}.Sums",), "not possible with Sums: it computes gru, lstm, rnn."),
        (("model.kernel=fast",), "must be one of auto, torch, fused"),
    ],
)
def test_the_kernel_is_refused_where_it_cannot_be(
    overrides: tuple[str, ...], says: str, configured: Compose
) -> None:
    with pytest.raises(ConfigError, match=says):
        configured("model.kernel=fused", *overrides)


@pytest.mark.parametrize(
    ("capability", "overrides", "says"),
    [
        ((9, 0), ("model.hidden_size=257",), "at most 256 units, and hidden_size=257"),
        ((7, 5), (), "it needs compute capability 8.0, and Tesla T4 has 7.5"),
        (
            (8, 9),
            ("model.hidden_size=129",),
            "hidden_size=129 needs compute capability 9.0, and Tesla T4 has 8.9",
        ),
        ((9, 0), (), r"cuda-core is not installed: pip install 'rnn_bench\[gpu\]'"),
    ],
)
def test_the_kernel_is_refused_on_a_gpu_where_it_cannot_be(
    capability: tuple[int, int],
    overrides: tuple[str, ...],
    says: str,
    configured: Compose,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Tesla T4")
    monkeypatch.setitem(sys.modules, "cuda", None)
    with pytest.raises(ConfigError, match=says):
        fused_kernel(configured("model.kernel=fused", *overrides), torch.device("cuda:0"))


def test_a_gpu_s_kernel_has_the_precision_of_the_protocol(
    configured: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(
        choice.CudaKernel, "__init__", lambda kernel, *arguments: asked.append(arguments[-1])
    )
    for precision in ("float32", "bfloat16"):
        config = configured("model.kernel=fused", f"protocol.precision={precision}")
        fused_kernel(config, torch.device("cuda"))
    assert asked == ["float32", "bfloat16"]


def test_the_kernel_is_refused_with_a_precision_that_it_lacks(configured: Compose) -> None:
    config = configured("model.kernel=fused", "protocol.precision=bfloat16")
    with pytest.raises(ConfigError, match=r"cpu with model\.kernel=fused: it computes float32"):
        fused_kernel(config, torch.device("cpu"))


def test_a_gpu_that_others_fill_is_out_of_memory(
    configured: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run beside others is then tried again."""

    def full(*arguments: object) -> None:
        raise MemoryError("CUDA_ERROR_OUT_OF_MEMORY: The API call failed")

    core = ModuleType("cuda.core")
    vars(core).update(Device=None, FileStreamProgramCache=full, driver=None)
    for name in ("cuda", "cuda.bindings", "cuda.core", "cuda.core.utils"):
        monkeypatch.setitem(sys.modules, name, core)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    with pytest.raises(OutOfMemory, match=r"^out of memory: CUDA_ERROR_OUT_OF_MEMORY"):
        fused_kernel(configured("model.kernel=fused"), torch.device("cuda:0"))


def test_the_kernel_is_refused_on_other_devices(configured: Compose) -> None:
    with pytest.raises(ConfigError, match="it computes on cpu and cuda, not on mps"):
        fused_kernel(configured("model.kernel=fused"), torch.device("mps"))


def test_the_kernel_is_no_part_of_the_question(configured: Compose) -> None:
    theirs, ours = (configured(f"model.kernel={kernel}") for kernel in ("torch", "fused"))
    assert run_key(theirs, "f") == run_key(ours, "f")
    assert run_name(ours, configured()) == run_name(theirs, theirs) == "gru-demo-s0"
    assert settings(theirs) == settings(ours)
    assert "model.kernel" not in settings(ours)


def test_a_run_records_which_code_computed_it(
    kernel: FusedKernel, rnn_bench: Command, recorded_runs: Runs
) -> None:
    rnn_bench(*SMALL, "model.kernel=fused")
    rnn_bench(*SMALL, "model.kernel=torch", "rerun=true")
    fused, torchs = recorded_runs()
    assert (fused.data.tags["kernel"], torchs.data.tags["kernel"]) == ("fused", "torch-native")
    assert fused.data.tags["run_key"] == torchs.data.tags["run_key"]
    assert fused.data.params == torchs.data.params
    for loss in ("train_loss", "val_loss", "test_loss"):
        assert fused.data.metrics[loss] == pytest.approx(torchs.data.metrics[loss], rel=1e-5)


def test_a_kernel_that_cannot_be_is_an_error_before_any_row(
    rnn_bench: Command, recorded_runs: Runs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setenv("PATH", str(tmp_path))
    library.library.cache_clear()
    answer = rnn_bench(*SMALL, "model.kernel=fused")
    assert answer.status == 2
    assert answer.err.startswith("model.kernel=fused is not possible: there is no C++ compiler")
    assert recorded_runs() == []

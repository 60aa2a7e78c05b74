"""Every network, protocol and optimizer trains on a GPU, as on the CPU and repeatably."""

import math
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from mlflow.entities import Run

from rnn_bench.config.model import cell_names
from rnn_bench.config.schema import Config
from rnn_bench.data.encoding import encoded_corpus
from rnn_bench.models.cell import cell_class
from rnn_bench.models.initial import initial_model
from rnn_bench.models.kernels.choice import fused_kernel
from rnn_bench.models.precision import products_in
from rnn_bench.tracking import schema
from rnn_bench.training.device import device_name
from rnn_bench.training.start import start_training
from tests.conftest import PLAIN, SMALL, Command, changed
from tests.gpu.conftest import Losses
from tests.models.test_precision import is_rounded
from tests.survival.long_run import predictions

Compose = Callable[..., Config]
Runs = Callable[[], list[Run]]

READOUTS = ("last_token", "padded_end", "mean", "max")
DIRECTIONS = ("false", "true")
# 50 updates, the same on every device: no dropout, whose masks come from each device's generator.
STEPS = 50
FIFTY = changed(
    (*SMALL, *PLAIN),
    *("protocol.batch_size=8", "protocol.epochs=5", "protocol.patience=null", "model.dropout=0"),
    *("protocol.embedding_dropout=0", "model.hidden_size=128", "model.embedding_dim=100"),
    "dataset.length=40",
)
# Sums of float32 (24 bits) in another order differ by some 1e-7 of their value, and 50 updates of
# Adam carry that on. Between torch's code and the fused kernel, both on a CPU, these losses differ
# by at most 2e-6, and by 2.4e-5 where rounding decides which of a unit's states is its maximum.
TOLERANCE = {readout: 1e-4 if readout == "max" else 1e-5 for readout in READOUTS}


@pytest.fixture
def step_losses(monkeypatch: pytest.MonkeyPatch) -> Callable[[Config, torch.device], list[float]]:
    """The losses of the first updates of a config's training on a device."""

    def train(config: Config, device: torch.device) -> list[float]:
        found: list[float] = []

        def cross_entropy(*arguments: object) -> torch.Tensor:
            loss = F.cross_entropy(*arguments)  # type: ignore[arg-type]
            found.append(loss.item())
            return loss

        recording = SimpleNamespace(cross_entropy=cross_entropy)
        monkeypatch.setattr("rnn_bench.training.epochs.F", recording)
        corpus = encoded_corpus(config)
        model = initial_model(config, corpus, fused_kernel(config, device))
        training = start_training(model, corpus.to(device), config)
        for _ in training.epochs(lambda done, total: None):
            pass
        return found

    return train


@pytest.mark.parametrize("bidirectional", DIRECTIONS)
@pytest.mark.parametrize("readout", READOUTS)
@pytest.mark.parametrize("cell", cell_names())
def test_losses_are_those_of_the_cpu(
    cell: str,
    readout: str,
    bidirectional: str,
    device: str,
    configured: Compose,
    step_losses: Callable[[Config, torch.device], list[float]],
) -> None:
    config = configured(
        *FIFTY,
        *(f"model={cell}", f"protocol.readout={readout}", f"model.bidirectional={bidirectional}"),
    )
    by_torch = replace(config, model=replace(config.model, kernel="torch"))
    expected = step_losses(by_torch, torch.device("cpu"))
    assert len(expected) == STEPS
    here = step_losses(config, torch.device(device))
    assert here == pytest.approx(expected, rel=TOLERANCE[readout])


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "rmsprop"])
@pytest.mark.parametrize("protocol", ["fair", "notebook"])
def test_every_protocol_and_optimizer_trains(
    protocol: str, optimizer: str, device: str, rnn_bench: Command, recorded_runs: Runs
) -> None:
    asked = changed(SMALL, f"protocol={protocol}", f"optimizer={optimizer}", f"device={device}")
    assert rnn_bench(*asked).status == 0
    (run,) = recorded_runs()
    tags, metrics = run.data.tags, run.data.metrics
    assert tags["device"] == device_name(torch.device(device))
    assert tags["kernel"] == "cudnn" or not device.startswith("cuda")
    assert tags.get("graph") == ("False" if device.startswith("cuda") else None)
    assert tags["outcome"] in (schema.FINISHED, schema.UNLEARNED)
    assert math.isfinite(metrics["train_loss"] + metrics["val_loss"] + metrics["test_loss"])


@pytest.mark.parametrize("cell", cell_names())
def test_test_results_are_those_of_the_cpu(
    cell: str, device: str, rnn_bench: Command, recorded_runs: Runs
) -> None:
    asked = (*FIFTY, f"model={cell}")
    assert rnn_bench(*asked, "device=cpu", "model.kernel=torch").status == 0
    assert rnn_bench(*asked, f"device={device}", "rerun=true").status == 0
    on_cpu, here = (run.data.metrics for run in recorded_runs())
    assert here["test_loss"] == pytest.approx(on_cpu["test_loss"], rel=1e-4)
    # One article of the 96 may lie on the border of two classes.
    assert here["test_accuracy"] == pytest.approx(on_cpu["test_accuracy"], abs=1.5 / 96)


@pytest.mark.parametrize("bidirectional", DIRECTIONS)
@pytest.mark.parametrize("cell", cell_names())
def test_the_same_seed_twice_has_the_same_bits_with_deterministic_algorithms(
    cell: str,
    bidirectional: str,
    device: str,
    rnn_bench: Command,
    recorded_runs: Runs,
    losses: Losses,
) -> None:
    asked = changed(
        SMALL,
        *(f"model={cell}", f"model.bidirectional={bidirectional}", "model.num_layers=2"),
        *("model.hidden_size=64", f"device={device}", "deterministic=true", "rerun=true"),
    )
    for _ in range(2):
        assert rnn_bench(*asked).status == 0
    first, second = recorded_runs()
    assert (first.data.tags["deterministic"], second.data.tags["deterministic"]) == ("True", "True")
    assert len(losses(first)) == 4
    assert losses(first) == losses(second)
    assert predictions(first).equals(predictions(second))


@pytest.mark.parametrize("cell", cell_names())
def test_gradient_flow_is_followed(
    cell: str, device: str, rnn_bench: Command, recorded_runs: Runs
) -> None:
    asked = (*SMALL, f"model={cell}", f"device={device}", "evaluation.gradient_flow=true")
    assert rnn_bench(*asked).status == 0
    (run,) = recorded_runs()
    for column in ("initial_input", "trained_input", "initial_state", "trained_state"):
        assert run.data.metrics[schema.REACH.format(column)] >= 1


@pytest.mark.parametrize("cell", cell_names())
def test_bfloat16_is_bfloat16(cell: str, gpu: torch.device) -> None:
    """And its weights lie as cuDNN wants them: else torch warns, which is an error here."""
    torch.manual_seed(0)
    layer, inputs = cell_class(cell)(100, 128).to(gpu), torch.randn(32, 40, 100, device=gpu)
    with products_in("bfloat16", gpu), torch.autocast("cuda", torch.bfloat16):
        states = layer(inputs, torch.full((32,), 40, device=gpu))
    assert states.dtype is torch.bfloat16
    plain = layer(inputs, torch.full((32,), 40, device=gpu))
    torch.testing.assert_close(states.float(), plain, rtol=0, atol=0.03)
    states.float().sum().backward()
    assert all(is_rounded(each.grad) for each in layer.parameters())


@pytest.mark.parametrize("cell", cell_names())
def test_equal_rows_are_read_by_cudnn_s_persistent_kernels(
    cell: str, gpu: torch.device, configured: Compose
) -> None:
    config = configured(f"model={cell}")
    model = initial_model(config, encoded_corpus(config)).to(gpu).train()
    tokens = torch.randint(2, len(encoded_corpus(config).vocabulary), (32, 256), device=gpu)
    lengths = torch.full((32,), 256, device=gpu)
    activities = [torch.profiler.ProfilerActivity.CUDA]
    with products_in("float32", gpu), torch.profiler.profile(activities=activities) as profile:
        model(tokens, lengths).sum().backward()
        torch.cuda.synchronize()
    names = {event.key for event in profile.key_averages()}
    assert [name for name in names if "persist" in name.lower()], sorted(names)

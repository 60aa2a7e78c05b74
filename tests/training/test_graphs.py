"""Steps that a GPU can repeat as CUDA graphs compute what other steps do. tests/gpu has the graphs
themselves."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from rnn_bench.config.errors import ConfigError, OutOfMemory
from rnn_bench.config.model import cell_names
from rnn_bench.config.protocol import Protocol
from rnn_bench.config.schema import Config
from rnn_bench.data.encoding import encoded_corpus
from rnn_bench.models.initial import initial_model
from rnn_bench.tracking.run_key import run_key, settings
from rnn_bench.training.device_errors import explained_capture_errors
from rnn_bench.training.epochs import Training
from rnn_bench.training.graphs import (
    LENGTHS,
    CapturedStep,
    bucket_length,
    make_capturable,
    plain_state,
    reason_not_captured,
)
from rnn_bench.training.start import start_training
from tests.conftest import SMALL

Compose = Callable[..., Config]

CPU = torch.device("cpu")


def started(config: Config) -> Training:
    corpus = encoded_corpus(config)
    training = start_training(initial_model(config, corpus), corpus, config)
    assert isinstance(training, Training)
    return training


def losses(training: Training) -> list[float]:
    [*training.epochs(lambda *_: None)]
    return [each for result in training.history for each in (result.train_loss, result.val_loss)]


@pytest.mark.parametrize("max_length", [1, 5, 16, 100, 512])
def test_lengths_are_few_and_no_batch_is_cut(max_length: int) -> None:
    found = {longest: bucket_length(longest, max_length) for longest in range(1, max_length + 1)}
    assert all(longest <= length <= max_length for longest, length in found.items())
    assert len({*found.values()}) <= LENGTHS
    assert [*found.values()] == sorted(found.values())


@pytest.mark.parametrize("cell", cell_names())
@pytest.mark.parametrize("readout", ["last_token", "mean", "max"])
def test_a_batch_that_is_padded_further_trains_the_same(
    cell: str, readout: str, configured: Compose
) -> None:
    config = configured(
        *(*SMALL, f"model={cell}", f"protocol.readout={readout}", "protocol.max_length=20"),
        *("model.bidirectional=true", "model.num_layers=2", "model.dropout=0"),
    )
    plain, padded = started(config), started(config)
    step, lengths = padded.step, set[int]()

    def padded_step(articles: Tensor, longest: int) -> None:
        lengths.add(longest)
        step(articles, 20)

    padded.step = padded_step
    found = losses(padded)
    assert max(lengths) < 20
    assert found == pytest.approx(losses(plain), rel=1e-6)


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_a_rate_in_the_gpu_s_memory_trains_the_same(
    optimizer: str, schedule: str, configured: Compose
) -> None:
    """The fused optimizers take such a rate on a CPU, too."""
    config = configured(
        *(*SMALL, f"optimizer={optimizer}", f"protocol.schedule={schedule}"),
        *("protocol.warmup=0.2", "optimizer.lr=0.02", "protocol.epochs=3", "model.dropout=0"),
    )
    plain, ours = started(config), started(config)
    make_capturable(ours.optimizer, CPU)
    assert losses(ours) == pytest.approx(losses(plain), rel=1e-5)
    (rate,) = (group["lr"] for group in ours.optimizer.param_groups)
    assert isinstance(rate, Tensor)
    assert rate.item() == pytest.approx(plain.optimizer.param_groups[0]["lr"])


def test_a_checkpoint_does_not_depend_on_graphs(configured: Compose) -> None:
    config = configured(*SMALL, "protocol.schedule=linear", "optimizer.lr=0.02", "model.dropout=0")
    plain, ours, continued = (started(config) for _ in range(3))
    make_capturable(ours.optimizer, CPU)
    for training in (plain, ours):
        next(training.epochs(lambda *_: None))
    with_graphs, without = (
        plain_state(each.optimizer, each.schedule.rates) for each in (ours, plain)
    )
    assert without["param_groups"] == plain.optimizer.state_dict()["param_groups"]
    keys = {"lr", "capturable"}
    for one, other in zip(with_graphs["param_groups"], without["param_groups"], strict=True):
        assert {k: v for k, v in one.items() if k not in keys} == {
            k: v for k, v in other.items() if k not in keys
        }
        assert (one["lr"], one["capturable"]) == (0.02, False)
    continued.load(ours.state())
    assert losses(continued) == pytest.approx(losses(plain), rel=1e-5)
    make_capturable(continued.optimizer, CPU)  # with the states that were loaded
    assert all(group["capturable"] for group in continued.optimizer.param_groups)


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        ((), ""),
        (("model=lstm", "model.bidirectional=true", "model.num_layers=2"), ""),
        (("optimizer=adamw", "protocol.schedule=cosine", "protocol.precision=bfloat16"), ""),
        (("protocol.ema_decay=0.9",), ""),
        (("optimizer=rmsprop",), ""),
        (("optimizer=sgd",), "torch's SGD is not capturable"),
        (("protocol.readout=padded_end",), "lets no padding be added"),
        (("protocol.train_seconds=60",), "protocol.train_seconds needs to know"),
        ((f"model.cell={__name__}.Own",), "code of the user's own"),
    ],
)
def test_what_cannot_be_captured_is_said(
    overrides: tuple[str, ...], reason: str, configured: Compose
) -> None:
    config = configured(*SMALL, *overrides)
    training = started(config)
    said = reason_not_captured(training.model, training.optimizer, config.protocol)
    assert reason in said
    assert bool(reason) == bool(said)


def test_what_ends_a_capture_is_said() -> None:
    """The end of such a capture is an error too, which hides the first."""
    ended = RuntimeError("CUDA error: operation failed due to a previous error")
    ended.__context__ = RuntimeError(
        "CUDA error: operation not permitted when stream is capturing\nFor debugging"
    )
    with pytest.raises(ConfigError) as raised, explained_capture_errors():
        raise ended
    assert str(raised.value) == (
        "model.graph=auto is not possible: CUDA error: operation not permitted when stream is "
        "capturing. With model.graph=off the run goes on after its last epoch."
    )
    with pytest.raises(OutOfMemory, match=r"2\.00 GiB asked for"), explained_capture_errors():
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


class Own(torch.nn.Module):
    """A user's cell."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.inwards = torch.nn.Linear(input_size, hidden_size)

    def forward(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        return self.inwards(inputs).cumsum(1)


def test_graphs_are_no_part_of_the_question_and_nothing_on_a_cpu(configured: Compose) -> None:
    off, auto = (configured(*SMALL, f"model.graph={graph}") for graph in ("off", "auto"))
    assert run_key(off, "f") == run_key(auto, "f")
    assert settings(off) == settings(auto)
    assert losses(started(off)) == losses(started(auto))


@pytest.fixture
def recorded_graphs(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A stand-in for torch.cuda, whose graphs repeat a call: what is captured is not computed."""
    computed: list[Any] = []
    cuda = SimpleNamespace(capturing=None)

    class Graph:
        call: tuple[Tensor, int]

        def replay(self) -> None:
            articles, length = self.call
            computed.append((articles.tolist(), length, "replayed"))

    @contextmanager
    def capture(graph: Graph, *_: object, **__: object) -> Iterator[None]:
        cuda.capturing = graph
        yield
        cuda.capturing = None

    def step(articles: Tensor, length: int) -> None:
        if cuda.capturing:
            cuda.capturing.call = articles, length
        else:
            computed.append((articles.tolist(), length, "called"))

    stream = SimpleNamespace(wait_stream=lambda other: None)
    for name, stand_in in {
        **{"Stream": lambda device: stream, "current_stream": lambda: stream},
        **{"graph_pool_handle": lambda: 0, "CUDAGraph": Graph, "graph": capture},
        **{"stream": lambda given: nullcontext(), "device": lambda given: nullcontext()},
    }.items():
        monkeypatch.setattr(torch.cuda, name, stand_in)
    captured = CapturedStep(step, Protocol(name="p", batch_size=2, max_length=32), CPU)
    for articles, longest in (
        *(([0, 1], 3), ([2, 3], 4), ([4, 5], 30), ([6, 7], 3), ([8], 3), ([9, 10], 31)),
    ):
        captured(torch.tensor(articles), longest)
    return computed


def test_each_batch_is_trained_on_once(recorded_graphs: list[Any]) -> None:
    assert recorded_graphs == [
        *(([0, 1], 4, "called"), ([2, 3], 4, "replayed"), ([4, 5], 30, "called")),
        *(([6, 7], 4, "replayed"), ([8], 4, "called"), ([9, 10], 32, "called")),
    ]

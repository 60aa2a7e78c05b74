"""Training steps as CUDA graphs compute what they compute otherwise. Skipped without a GPU."""

import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from mlflow.entities import Run

from rnn_bench.config.schema import Config
from rnn_bench.data.encoding import encoded_corpus
from rnn_bench.models.initial import initial_model
from rnn_bench.models.kernels.choice import fused_kernel
from rnn_bench.training.epochs import EpochResult, Training
from rnn_bench.training.graphs import LENGTHS, CapturedStep
from rnn_bench.training.start import start_training
from tests.conftest import Command

pytestmark = pytest.mark.usefixtures("gpu")

Compose = Callable[..., Config]

ARTICLES = (
    *("dataset.articles=4000", "dataset.length=40", "dataset.marker_distance=20"),
    *("protocol.epochs=3", "protocol.patience=null"),
    "protocol.max_length=48",  # as long as the longest, so that batches have several lengths
)
SETTINGS = [
    *((f"model={cell}",) for cell in ("rnn", "lstm", "gru")),
    *((f"protocol.readout={readout}",) for readout in ("last_token", "mean")),
    ("model=lstm", "model.bidirectional=true", "model.num_layers=2"),
    ("protocol.schedule=linear", "protocol.warmup=0.1", "optimizer=adamw"),
    ("protocol.ema_decay=0.9",),
    ("optimizer=rmsprop", "protocol.class_weights=balanced"),
    ("optimizer.fused=false", "protocol.gradient_clip_norm=null"),
    *((f"protocol.precision={each}", "model=lstm") for each in ("tf32", "bfloat16")),
]


def started(config: Config) -> Training:
    gpu = torch.device("cuda")
    corpus = encoded_corpus(config).to(gpu)
    model = initial_model(config, corpus, fused_kernel(config, gpu))
    training = start_training(model, corpus, config)
    assert isinstance(training, Training)
    return training


def trained(training: Training) -> list[float]:
    [*training.epochs(lambda *_: None)]
    return losses(training.history)


def losses(history: list[EpochResult]) -> list[float]:
    return [each for result in history for each in (result.train_loss, result.val_loss)]


@pytest.fixture
def with_cuda_core() -> None:
    pytest.importorskip("cuda.core", reason="cuda-core is not installed")


@pytest.mark.usefixtures("with_cuda_core")
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("units", [128, 256])
def test_the_fused_kernel_is_part_of_a_graph(
    cell: str, precision: str, units: int, configured: Compose
) -> None:
    given = (
        *(f"model={cell}", f"protocol.precision={precision}", "model.kernel=fused"),
        f"model.hidden_size={units}",
    )
    off, auto = (
        started(configured(*ARTICLES, "model.dropout=0", *given, f"model.graph={graph}"))
        for graph in ("off", "auto")
    )
    within = 0.02 if precision == "bfloat16" else 2e-3
    assert trained(auto) == pytest.approx(trained(off), rel=within)
    assert isinstance(auto.step, CapturedStep)
    assert any(auto.step.graphs.values())


NOT_CAPTURED = """
import torch
from rnn_bench.config.protocol import Protocol
from rnn_bench.training.graphs import CapturedStep

def step(articles, length):
    articles.sum().item()  # waits for the GPU

captured = CapturedStep(step, Protocol(name="p", batch_size=2), torch.device("cuda"))
for _ in range(2):
    captured(torch.zeros(2, dtype=torch.long, device="cuda"), 1)
"""


def test_what_cannot_be_captured_is_said_with_what_to_do() -> None:
    """In a process of its own, in which torch cannot go on."""
    ended = subprocess.run([sys.executable, "-c", NOT_CAPTURED], capture_output=True, text=True)
    last = ended.stderr.strip().splitlines()[-1]
    assert "ConfigError: model.graph=auto is not possible: CUDA error: " in last
    assert "previous error" not in last


@pytest.mark.parametrize("settings", SETTINGS, ids="-".join)
def test_losses_are_equal_with_and_without(settings: tuple[str, ...], configured: Compose) -> None:
    off, auto = (
        started(configured(*ARTICLES, "model.dropout=0", *settings, f"model.graph={graph}"))
        for graph in ("off", "auto")
    )
    # Batches are padded to other lengths, so sums are taken in another order.
    within = 0.02 if "bfloat16" in "".join(settings) else 2e-3
    assert trained(auto) == pytest.approx(trained(off), rel=within)
    assert isinstance(auto.step, CapturedStep)
    assert not isinstance(off.step, CapturedStep)
    graphs = [each for each in auto.step.graphs.values() if each]
    assert 3 < len(graphs) <= LENGTHS


def test_dropout_draws_the_same_numbers(configured: Compose) -> None:
    """A graph takes them from the generator's state at its launch, not at its capture."""
    found, states = [], []
    for graph in ("off", "auto"):
        config = configured(*ARTICLES, "model.dropout=0.5", f"model.graph={graph}")
        found.append(trained(started(config)))
        states.append(torch.cuda.get_rng_state())
    assert found[1] == pytest.approx(found[0], rel=2e-3)
    assert torch.equal(states[0], states[1])


def test_a_training_goes_on_from_a_checkpoint_of_either(configured: Compose) -> None:
    falls = (*ARTICLES, "model.dropout=0", "protocol.schedule=linear", "protocol.ema_decay=0.9")
    off, auto = (configured(*falls, f"model.graph={graph}") for graph in ("off", "auto"))
    expected = trained(started(off))
    for first, then in ((off, auto), (auto, off), (auto, auto)):
        stopped, continued = started(first), started(then)
        next(stopped.epochs(lambda *_: None))
        continued.load(stopped.state())
        assert trained(continued) == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("graph", ["auto", "off"])
def test_the_record_says_whether_steps_were_graphs(
    graph: str, rnn_bench: Command, recorded_runs: Callable[[], list[Run]]
) -> None:
    assert rnn_bench(*ARTICLES, f"model.graph={graph}", "device=cuda").status == 0
    (run,) = recorded_runs()
    assert run.data.tags["graph"] == str(graph == "auto")


@pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype:UserWarning")
def test_nothing_waits_for_the_gpu_within_an_epoch(configured: Compose) -> None:
    training = started(configured(*ARTICLES, "model.graph=auto"))
    epochs = training.epochs(lambda *_: None)
    next(epochs)  # which captures
    step = training.step

    def watched(articles: torch.Tensor, longest: int) -> None:
        torch.cuda.set_sync_debug_mode("error")
        try:
            step(articles, longest)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    training.step = watched
    next(epochs)

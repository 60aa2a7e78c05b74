"""`deterministic=true`: torch's deterministic algorithms alone, in that run alone."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from mlflow import MlflowClient
from mlflow.entities import Run

from rnn_bench.config.errors import ConfigError
from rnn_bench.training.device import deterministic_algorithms
from rnn_bench.training.device_errors import explained_device_errors
from tests.conftest import SMALL, SMALL_CORPUS, WEATHER, Command, changed

Runs = Callable[[], list[Run]]

# Logits with `put_`, which has no deterministic version on any device.
MODEL = """
import torch
from torch import nn
class Scatters(nn.Module):
    def __init__(self, *, vocabulary_size, classes, readout):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, classes, padding_idx=0)
    def forward(self, tokens, lengths):
        logits = self.embedding(tokens).sum(1)
        places = torch.arange(logits.numel()).view_as(logits)
        return logits + torch.zeros_like(logits).put_(places, logits.detach())
"""
SAYS = (
    "ConfigError: deterministic=true is not possible: put_ does not have a deterministic "
    "implementation, but you set 'torch.use_deterministic_algorithms(True)'."
)


@pytest.fixture
def scatters(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """The overrides of runs of a model of one's own with `put_`."""
    for group in ("model", "dataset"):
        (workplace / "conf" / group).mkdir(parents=True)
    (workplace / "conf/dataset/weather.yaml").write_text(
        "_target_: my_scatters.Weather\nname: weather\n"
    )
    (workplace / "conf/model/scatters.yaml").write_text(
        "_target_: my_scatters.Scatters\nname: scatters\n"
    )
    (workplace / "my_scatters.py").write_text(MODEL + WEATHER)
    monkeypatch.syspath_prepend(workplace)
    return ("--config-dir", "conf", *SMALL_CORPUS, "protocol.epochs=1", "device=cpu")


def settings() -> tuple[object, ...]:
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.backends.cudnn.deterministic,
        torch.backends.cudnn.benchmark,
        os.environ.get("CUBLAS_WORKSPACE_CONFIG"),
    )


def test_the_same_seed_twice_has_the_same_losses_and_the_record_says_how(
    rnn_bench: Command, recorded_runs: Runs, workplace: Path
) -> None:
    asked = changed(SMALL, "device=cpu", "protocol.epochs=3", "model=lstm")
    before = settings()
    for _ in range(2):
        assert rnn_bench(*asked, "deterministic=true", "rerun=true").status == 0
    assert settings() == before
    assert rnn_bench(*asked, "rerun=true").status == 0
    *forced, free = recorded_runs()
    assert [run.data.tags["deterministic"] for run in (*forced, free)] == ["True", "True", "False"]
    client = MlflowClient(f"sqlite:///{workplace / 'mlflow.db'}")
    losses = [
        [each.value for each in client.get_metric_history(run.info.run_id, "train_loss")]
        for run in forced
    ]
    assert len(losses[0]) == 3
    assert losses[0] == losses[1]


def test_it_is_no_part_of_the_question(rnn_bench: Command, recorded_runs: Runs) -> None:
    assert rnn_bench(*SMALL).status == 0
    assert "reused: run " in rnn_bench(*SMALL, "deterministic=true").out
    assert len(recorded_runs()) == 1


def test_an_operation_without_a_deterministic_version_ends_the_run_and_is_named(
    scatters: tuple[str, ...], rnn_bench: Command, recorded_runs: Runs
) -> None:
    before = settings()
    answer = rnn_bench(*scatters, "model=scatters", "deterministic=true")
    assert answer.status == 2
    assert answer.err.splitlines() == [SAYS.removeprefix("ConfigError: ")]
    (run,) = recorded_runs()
    assert (run.info.status, run.data.tags["error"]) == ("FAILED", SAYS)
    assert settings() == before
    assert rnn_bench(*scatters, "model=scatters").status == 0


def test_it_ends_one_run_of_a_sweep_in_a_process_of_its_own(
    scatters: tuple[str, ...], rnn_bench: Command, recorded_runs: Runs
) -> None:
    answer = rnn_bench(
        *scatters, "-m", "model=scatters,rnn", "deterministic=true", launcher="packed"
    )
    assert answer.status == 1
    assert answer.out.count(f" failed: {SAYS}\n") == 1
    assert "Traceback" not in answer.out + answer.err
    tags = {run.data.tags["model"]: run.data.tags for run in recorded_runs()}
    assert (tags["rnn"]["deterministic"], tags["scatters"]["deterministic"]) == ("True", "True")
    assert tags["scatters"]["error"] == SAYS


def test_a_process_that_used_cuda_without_it_before_says_so() -> None:
    """In torch's own words, aten/src/ATen/Context.cpp, which looks at the variable once."""
    error = RuntimeError(
        "Deterministic behavior was enabled with either `torch.use_deterministic_algorithms(True)` "
        "or `at::Context::setDeterministicAlgorithms(true)`, but this operation is not "
        "deterministic because it uses CuBLAS and you have CUDA >= 10.2. To enable deterministic "
        "behavior in this case, you must set an environment variable"
    )
    with (
        pytest.raises(ConfigError, match=r"^deterministic=true is not possible: this process used"),
        explained_device_errors(),
    ):
        raise error


def test_it_holds_for_a_finished_run_that_is_evaluated_further(
    scatters: tuple[str, ...], rnn_bench: Command
) -> None:
    asked = (*scatters, "model=scatters")
    assert rnn_bench(*asked).status == 0
    answer = rnn_bench(*asked, "deterministic=true", "evaluation.transfer=[weather]")
    assert (answer.status, answer.err.splitlines()) == (2, [SAYS.removeprefix("ConfigError: ")])


def test_the_settings_of_before_return_even_after_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    before = settings()
    during: list[tuple[object, ...]] = []

    def fail() -> None:
        with deterministic_algorithms(True):
            during.append(settings())
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - it is the block's own
        fail()
    assert during == [(True, True, False, ":4096:8")]
    assert settings() == before
    with deterministic_algorithms(False):
        assert settings() == before


def test_only_true_and_false_are_possible(rnn_bench: Command, recorded_runs: Runs) -> None:
    answer = rnn_bench("deterministic=warn")
    assert answer.status == 2
    assert "deterministic" in answer.err
    assert len(answer.err.splitlines()) <= 6
    assert recorded_runs() == []

"""The parts of the benchmark, each made for real on a few articles."""

import json
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch.autograd import DeviceType

from benchmarks import naive, packing, simulation
from benchmarks.__main__ import PARTS, measure
from benchmarks.__main__ import main as benchmarks
from benchmarks.findings import write_page
from benchmarks.floor import operations_per_token
from benchmarks.packing import Measured, together
from benchmarks.sampling import STAGES
from benchmarks.settings import Settings
from benchmarks.tracing import covered, pieces
from benchmarks.workplace import ContenderFailed, Workplace
from rnn_bench.models.recurrent import RecurrentClassifier
from rnn_bench.training.device import cores

TINY = Settings(
    corpus="demo",
    articles=60,
    length=24,
    epochs=2,
    repeats=1,
    threads=1,
    cells=("rnn",),
    seeds=(0,),
    steps=1,
    factors=(1,),
    runs=(1,),
    reports=(3,),
    rows=(40, 80),
    sweeps=4,
    units=(8, 16),
    lengths=(6, 12),
    at_once=(1, 2, 1000),
    seconds=0.5,
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    place = Workplace(tmp_path_factory.mktemp("benchmark"), TINY)
    place.prepare()
    return place


@pytest.fixture
def results(tmp_path: Path) -> Iterator[Path]:
    """Where a test writes; whatever it found is fit for the page."""
    yield tmp_path
    page = write_page([*PARTS], tmp_path).read_text()
    for name in (svg.name for svg in tmp_path.glob("*.svg")):
        assert f"({name})" in page


def made(part: str, place: Workplace, folder: Path) -> dict:
    measure(part, place, "python -m benchmarks", folder)
    return json.loads((folder / f"{part}.json").read_text())


def cells_of(facts: dict, table: int, column: str) -> list[str]:
    shown = facts["tables"][table]
    return [row[shown["columns"].index(column)] for row in shown["rows"]]


def test_contenders_of_one_run_train_on_the_same_tokens(place: Workplace, results: Path) -> None:
    facts = made("single", place, results)
    contenders = ["rnn_bench", "naive loop"] + ["Keras 3 (JAX)"] * bool(find_spec("keras"))
    assert cells_of(facts, 0, "contender") == contenders
    assert len({each["tokens"] for each in facts["samples"]}) == 1
    for each in facts["samples"]:
        assert len(each["epochs"]) == TINY.epochs
        assert each["started"] < each["first_step"] < each["epochs"][0]["ended"]
        assert each["threads"] == 1
    assert facts["machine"]["cores"]
    assert facts["versions"]["torch"]


def test_the_target_is_what_the_naive_loop_ends_with(place: Workplace, results: Path) -> None:
    facts = made("target", place, results)
    last = [
        each["epochs"][-1]["val_accuracy"]
        for each in facts["samples"]
        if each["contender"] == "naive loop"
    ]
    assert cells_of(facts, 0, "accuracy") == [f"{accuracy:.4f}" for accuracy in last]
    assert all(float(seconds) > 0 for seconds in cells_of(facts, 0, "naive (s)"))


def test_a_sweep_is_compared_with_as_many_naive_runs(place: Workplace, results: Path) -> None:
    facts = made("sweep", place, results)
    packed, naive = (float(seconds) for seconds in cells_of(facts, 0, "seconds"))
    assert float(cells_of(facts, 0, "times naive")[0]) == pytest.approx(naive / packed, abs=0.1)


def test_every_stage_of_a_run_is_found(
    place: Workplace, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of epochs enough that every stage is met by a sample, which is taken each 2 ms."""
    monkeypatch.setattr(place, "settings", replace(TINY, epochs=40))
    facts = made("profile", place, results)
    assert cells_of(facts, 0, "run") == ["rnn, nothing cached", "rnn"]
    for sample in facts["samples"][:2]:
        assert [*sample["stages"]] == [*STAGES]
        for stage in ("reading", "forward", "backward", "recording"):
            assert sample["stages"][stage] > 0
    (step,) = (sample["step"] for sample in facts["samples"] if "step" in sample)
    kinds = {kind for kind, begin, end in step["host"] if 0 <= begin < end}
    assert kinds == {"batch, forward, clipping", "backward", "optimizer"}
    assert 0 < float(cells_of(facts, 1, "share")[0].rstrip("%")) < 100


def test_whole_steps_are_timed_by_readout_and_direction(place: Workplace, results: Path) -> None:
    facts = made("steps", place, results)
    assert cells_of(facts, 0, "model.kernel") == 6 * ["auto", "torch", "naive loop"]
    assert cells_of(facts, 0, "directions") == 9 * ["1"] + 9 * ["2"]
    assert cells_of(facts, 0, "readout")[::3] == 2 * ["last_token", "mean", "max"]
    assert all(min(each["tokens_per_second"]) > 0 for each in facts["samples"])


def test_a_step_of_the_recurrence_is_timed_by_kernel_and_sizes(
    place: Workplace, results: Path
) -> None:
    facts = made("recurrence", place, results)
    sizes = [*zip(*(cells_of(facts, 0, name) for name in ("units", "steps")), strict=True)]
    usual = (("128", "12"), ("8", "12"), ("16", "12"), ("128", "6"))
    kernels = cells_of(facts, 0, "kernel")
    assert kernels[0] == "torch"
    assert {*sizes} == {*usual}
    assert len(sizes) == len({*usual}) * len({*kernels})
    for way in ("forward", "backward"):
        assert all(float(each) > 0 for each in cells_of(facts, 0, way))
    assert [*facts["figures"]] == ["recurrence-units", "recurrence-length"]


def test_runs_an_hour_are_counted_by_runs_at_once(place: Workplace, results: Path) -> None:
    facts = made("packing", place, results)
    assert cells_of(facts, 0, "runs at once") == ["1", "2"][: 2 * cores()]
    for sample in facts["samples"]:
        assert sample["seconds"] >= TINY.seconds / 2
        assert sample["runs_per_hour"] > 0


def test_runs_count_while_all_of_them_train() -> None:
    """From 2, the end of the second one's first epoch, to 4, the end of the first one's last."""
    first = [(0.0, 1.0), (1.0, 2.0), (2.0, 3.0), (3.0, 4.0)]
    second = [(1.0, 2.0), (3.0, 5.0)]
    assert together([first, second]) == Measured((2 + 0.5) / 2, 2.0)
    assert together([first]) == Measured(1.0, 3.0)
    assert together([first[:2], [(5.0, 6.0), (6.0, 7.0)]]) == Measured(None, -4.0)


def test_runs_that_never_train_together_are_said(
    place: Workplace, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their histories are those of runs whose starts lie an hour apart."""

    def apart(place: Workplace, count: int) -> list[list[tuple[float, float]]]:
        starts = (3600.0 * number for number in range(count))
        return [[(t, t + 1), (t + 1, t + 2), (t + 2, t + 3)] for t in starts]

    monkeypatch.setattr(packing, "recorded_epochs", apart)
    monkeypatch.setattr(packing, "ATTEMPTS", 1)
    facts = made("packing", place, results)
    assert cells_of(facts, 0, "runs at once") == ["1"]
    assert "2 runs never trained together." in facts["tables"][0]["note"]


def test_what_a_profiler_saw_is_told_apart() -> None:
    def event(name: str, kind: DeviceType, begin: float, end: float, parent: object = None) -> Any:
        times = SimpleNamespace(start=begin, end=end)
        return SimpleNamespace(
            **{"name": name, "device_type": kind, "time_range": times, "cpu_parent": parent},
            is_user_annotation=False,
        )

    gru = event("aten::gru", DeviceType.CPU, 10, 14)
    adam = event("Optimizer.step#Adam.step", DeviceType.CUDA, 12, 60)
    adam.is_user_annotation = True
    events = [
        adam,
        *(gru, event("aten::mm", DeviceType.CPU, 11, 12, gru)),
        event("Optimizer.step#Adam.step", DeviceType.CPU, 15, 16),
        event("cudaDeviceSynchronize", DeviceType.CPU, 16, 90),
        event("RNN_blockPersist_fp_GRU<float>", DeviceType.CUDA, 12, 30),
        event("sm90_xmma_gemm_f32f32", DeviceType.CUDA, 20, 40),
        event("vectorized_elementwise_kernel", DeviceType.CUDA, 50, 60),
    ]
    assert pieces(events) == {
        "host": [("batch, forward, clipping", 0, 4), ("optimizer", 5, 6)],
        "GPU": [("recurrence", 2, 20), ("products", 10, 30), ("other kernels", 40, 50)],
    }
    assert covered([(50, 60), (12, 30), (20, 40)]) == 38


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("readout", naive.READOUTS)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_naive_loop_computes_the_same_network(
    cell: str, readout: str, bidirectional: bool
) -> None:
    theirs = naive.Classifier(cell, 20, 3, readout, bidirectional).eval()
    sizes = {"vocabulary_size": 20, "classes": 3, "readout": readout}
    ours = RecurrentClassifier(cell, 100, 128, 1, bidirectional, 0.5, **sizes).eval()
    for one, two in zip(ours.parameters(), theirs.parameters(), strict=True):
        one.data.copy_(two.data)
    tokens, lengths = torch.randint(1, 20, (4, 9)), torch.tensor([4, 9, 1, 6])
    tokens[torch.arange(9) >= lengths[:, None]] = 0
    torch.testing.assert_close(ours(tokens, lengths), theirs(tokens, lengths))


def test_growth_is_measured_in_five_directions(
    place: Workplace, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = made("scaling", place, results)
    names = [table["name"] for table in facts["tables"]]
    assert names == ["articles", "length", "hidden", "runs", "report"]
    assert cells_of(facts, 0, "articles of the training file") == ["60"]
    assert cells_of(facts, 2, "size of the hidden state") == ["64"]


def test_every_row_of_a_file_is_read_and_encoded(place: Workplace, results: Path) -> None:
    facts = made("data", place, results)
    assert cells_of(facts, 0, "kind") == ["csv", "csv", "jsonl", "parquet"]
    assert all(float(seconds) > 0 for seconds in cells_of(facts, 0, "seconds"))


def test_intervals_and_verdicts_are_counted_in_simulated_sweeps(
    tmp_path: Path, results: Path
) -> None:
    facts = made("calibration", Workplace(tmp_path, TINY), results)
    assert facts["settings"]["corpus"] == "none"
    assert {*cells_of(facts, 1, "models")} == {"3", "5", "10"}
    shares = [each[name] for each in facts["samples"] for name in ("own", "best") if name in each]
    assert set(shares) <= {count / TINY.sweeps for count in range(TINY.sweeps + 1)}
    assert sum(shares) / len(shares) > 0.8
    pairs = [each for each in facts["samples"] if "own" in each]
    # Two models of 2 seeds are not ranked; of 10 seeds a difference of 3 standard errors is found.
    assert all(("power" in each) == (each["seeds"] > 2) for each in pairs)
    found = [each["power"] for each in pairs if each["seeds"] == 10]
    assert sum(found) / len(found) > 0.6


@pytest.mark.parametrize("variation", simulation.VARIATIONS)
def test_simulated_models_have_their_accuracy(variation: str) -> None:
    population = simulation.Population(variation, 0.8, 200)
    drawn = (population.draw(2, 20, np.random.default_rng(seed))[0] for seed in range(100))
    means = [
        [population.outcomes(model, each, 0.1 * model).value for model in (0, 1)] for each in drawn
    ]
    assert np.mean(means, axis=0) == pytest.approx([0.8, 0.7], abs=0.01)


def test_a_contender_that_fails_is_named_with_its_error(place: Workplace) -> None:
    with pytest.raises(ContenderFailed, match=r"benchmarks\.naive failed"):
        place.theirs("benchmarks.naive", "transformer", 0)


def test_operations_of_a_token_are_those_of_the_sizes() -> None:
    assert operations_per_token("rnn", 100, 128) == 175_104
    assert operations_per_token("lstm", 100, 128) == 4 * 175_104


def test_an_unknown_part_and_a_missing_gpu_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert benchmarks(["speed"]) == 2
    assert "Parts: steps, single, target" in capsys.readouterr().err
    if not torch.cuda.is_available():
        assert benchmarks(["steps", "--device", "cuda"]) == 2
        assert "torch sees 0 CUDA devices" in capsys.readouterr().err


def test_a_results_folder_that_cannot_be_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert benchmarks(["steps", "--out", str(tmp_path / "file")]) == 2
    assert "cannot be used: File exists" in capsys.readouterr().err

"""CONTRIBUTING.md, followed word for word."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mlflow.entities import Run

import rnn_bench as package
from rnn_bench.command_line import run_command
from rnn_bench.config.schema import Config
from rnn_bench.data import fingerprint
from rnn_bench.tracking.run_key import config_key
from tests.conftest import SMALL, Command
from tests.data.file_server import serving

GUIDE = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text()


def follow_the_guide(folder: Path) -> str:
    """Write each file that the guide names; returns the command that it ends with."""
    for name, content in re.findall(r"`([\w/]+\.(?:py|yaml))`:\n\n```\w+\n(.*?)```", GUIDE, re.S):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    (command,) = re.findall(r"```\n(python .*?)\n```", GUIDE)
    return str(command)


@pytest.fixture
def min_gru(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The override of the guide's command that trains its cell."""
    follow_the_guide(workplace)
    monkeypatch.syspath_prepend(workplace)
    (override,) = re.findall(r"`python -m rnn_bench (model.cell=\S+)`", GUIDE)
    yield override
    sys.modules.pop("my_cells", None)


def test_a_model_a_corpus_and_an_optimizer_are_added_as_the_guide_says(
    workplace: Path, rnn_bench: Command, recorded_runs: Callable[[], list[Run]]
) -> None:
    command = follow_the_guide(workplace)
    assert command.startswith("python -m rnn_bench ")
    # As Python does for -m; the processes of the runs inherit it.
    sys.path.insert(0, str(workplace))
    try:
        answer = rnn_bench(*shlex.split(command)[3:], launcher="packed")
    finally:
        sys.path.remove(str(workplace))
    assert (answer.status, answer.err) == (0, "")
    mean, tfidf = sorted(recorded_runs(), key=lambda run: run.data.tags["model"])
    assert mean.info.run_name == "mean-weather-nadam-s0"
    assert mean.data.params["model.size"] == "50"
    assert mean.data.params["optimizer.lr"] == "0.002"
    assert mean.data.tags["dataset"] == "weather"
    assert tfidf.data.metrics["test_accuracy"] == 1.0


def test_a_corpus_of_one_s_own_is_audited(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    follow_the_guide(workplace)
    monkeypatch.syspath_prepend(workplace)
    options = f"hydra.searchpath=[file://{workplace / 'my_conf'}]"
    assert run_command("audit", ["weather", options]) == 0
    assert "weather" in capsys.readouterr().out


def test_a_corpus_of_one_s_own_is_cut_into_folds(
    workplace: Path,
    rnn_bench: Command,
    recorded_runs: Callable[[], list[Run]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    follow_the_guide(workplace)
    monkeypatch.syspath_prepend(workplace)
    options = ("--config-dir", "my_conf", "-m", "dataset=weather", "model=majority")
    folds = ("+dataset.folds=5", "+dataset.fold=0,4")
    answer = rnn_bench(*options, *folds, "hydra/launcher=basic")
    assert (answer.status, answer.err) == (0, "")
    names = sorted(str(run.info.run_name) for run in recorded_runs())
    assert names == ["majority-weather-folds5-fold0-s0", "majority-weather-folds5-fold4-s0"]
    wrong = rnn_bench(*options, "+dataset.folds=5", "+dataset.fold=5")
    assert wrong.status == 2
    assert "dataset.fold=5 is not possible: it must be below dataset.folds=5" in wrong.err
    words = rnn_bench(*options, "+dataset.folds=five")
    assert words.status == 2
    assert "dataset.folds=five is not possible: it must be an integer" in words.err


SKIES = ("0 sun and wind, café\n1 rain and wind\n" * 20).encode("latin-1")


def test_a_public_corpus_is_a_card_that_a_sweep_fetches(
    workplace: Path, rnn_bench: Command, recorded_runs: Callable[[], list[Run]]
) -> None:
    follow_the_guide(workplace)
    with serving({"skies.txt": SKIES}) as source:
        mirror = f"dataset.source={source.url}"
        sweep = ("-m", "model=majority,tfidf", "dataset=skies", "dataset.fold=0,1", mirror)
        answer = rnn_bench("--config-dir", "my_conf", *sweep)
    assert (answer.status, answer.err) == (0, "")
    assert source.asked_for == ["skies.txt"]
    assert answer.out.startswith("There are no articles of skies in data")
    assert len(recorded_runs()) == 4
    for run in recorded_runs():
        assert run.data.tags["data_edition"] == "published"
        assert json.loads(run.data.tags["published"])[0]["source"] == "Nobody 2026, table 1"


def test_a_card_of_one_s_own_is_fetched_by_name(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    follow_the_guide(workplace)
    options = f"hydra.searchpath=[file://{workplace / 'my_conf'}]"
    with serving({"skies.txt": SKIES}) as source:
        assert run_command("fetch", ["skies", options, f"dataset.source={source.url}"]) == 0
    assert "the published ones, to the byte.\nLicence: CC0.\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("model.siez=3", "model.siez is not a configuration key. Did you mean model.size?"),
        ("+model.siez=3", "model.siez is not a key of my_models.MeanOfEmbeddings. Did you mean"),
        ("model._target_=my_models.Nothing", "_target_=my_models.Nothing cannot be imported"),
        ("~model.size", "model.size has no value, and my_models.MeanOfEmbeddings needs one"),
    ],
)
def test_a_wrong_key_of_one_s_own_model_is_refused(
    override: str, says: str, workplace: Path, rnn_bench: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    follow_the_guide(workplace)
    monkeypatch.syspath_prepend(workplace)
    answer = rnn_bench("--config-dir", "my_conf", "model=mean", override)
    assert answer.status == 2
    assert says in answer.err
    assert "Traceback" not in answer.err


def test_a_cell_is_added_as_the_guide_says(
    min_gru: str, rnn_bench: Command, recorded_runs: Callable[[], list[Run]]
) -> None:
    deep = ("model.bidirectional=true", "model.num_layers=2")
    for changed in ((), deep, ("protocol.readout=mean", *deep)):
        answer = rnn_bench(min_gru, *changed, *SMALL, "evaluation.gradient_flow=true")
        assert (answer.status, answer.err) == (0, "")
    for run in recorded_runs():
        assert run.data.tags["model"] == "MinGRU"
        assert run.data.tags["kernel"] == "torch"
        assert run.data.params["model.cell"] == "my_cells.MinGRU"
        assert run.info.run_name.startswith("MinGRU-demo-")
        assert "my_cells" not in run.info.run_name
        for by in ("input", "state"):
            assert run.data.metrics[f"gradient_flow/trained_{by}_reach"] > 0


def test_the_console_script_s_jobs_find_a_cell_in_the_working_folder(
    workplace: Path, recorded_runs: Callable[[], list[Run]]
) -> None:
    follow_the_guide(workplace)
    script = workplace / "bin" / "rnn-bench"  # in another folder, as pip installs it
    script.parent.mkdir()
    lines = ("import sys", "from rnn_bench.command_line import main")
    script.write_text("\n".join([*lines, "if __name__ == '__main__':", "    sys.exit(main())", ""]))
    command = [sys.executable, str(script), "sweep", "-m", "model.cell=my_cells.MinGRU", *SMALL]
    answer = subprocess.run(command, cwd=workplace, capture_output=True, text=True)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert [run.data.tags["model"] for run in recorded_runs()] == ["MinGRU"]


def test_a_cell_is_compared_with_the_others_and_planned(min_gru: str, rnn_bench: Command) -> None:
    path = min_gru.partition("=")[2]
    answer = rnn_bench("-m", f"model.cell=gru,{path}", "plan=true", *SMALL)
    names = [line.split()[0] for line in answer.out.splitlines()[1:3]]
    assert [name.partition("-")[0] for name in names] == ["gru", "MinGRU"]


def test_another_text_of_a_cell_is_another_question(
    min_gru: str, workplace: Path, configured: Callable[..., Config]
) -> None:
    before = config_key(configured(min_gru), "f")
    file = workplace / "my_cells.py"
    file.write_text(file.read_text().replace("1 - z", "1.0 - z"))
    sys.modules.pop("my_cells")
    fingerprint._module_hash.cache_clear()  # as in a new process
    assert config_key(configured(min_gru), "f") != before


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        (
            "gur",
            "one of gru, lstm, rnn, or a class of your own, such as my_cells.MinGRU.",
        ),
        ("gur", "Did you mean gru?"),
        (
            "my_cell.MinGRU",
            "model.cell=my_cell.MinGRU cannot be imported: No module named 'my_cell'",
        ),
        ("my_cells.MinGru", "my_cells has no MinGru. Did you mean MinGRU?"),
        ("my_cells.torch", "model.cell=my_cells.torch is not possible: it is no torch.nn.Module"),
    ],
)
def test_a_cell_that_is_not_there_is_refused(
    cell: str, says: str, min_gru: str, rnn_bench: Command
) -> None:
    answer = rnn_bench(f"model.cell={cell}")
    assert answer.status == 2
    assert says in answer.err
    assert "Traceback" not in answer.err


def test_the_fused_kernel_is_refused_with_a_cell_that_it_does_not_compute(
    min_gru: str, rnn_bench: Command
) -> None:
    answer = rnn_bench(min_gru, "model.kernel=fused")
    assert answer.status == 2
    assert answer.err == (
        "model.kernel=fused is not possible with MinGRU: it computes gru, lstm, rnn.\n"
    )


def test_a_cell_of_the_package_is_one_file_and_one_yaml(workplace: Path) -> None:
    checkout = Path(package.__file__).parents[1]
    for folder in ("rnn_bench", "conf"):
        leave = shutil.ignore_patterns("__pycache__")
        shutil.copytree(checkout / folder, workplace / folder, ignore=leave)
    (cell,) = re.findall(r"`my_cells.py`.*?```python\n(.*?)```", GUIDE, re.S)
    yaml = (workplace / "conf/model/gru.yaml").read_text()
    (workplace / "rnn_bench/models/cells/mingru.py").write_text(cell)
    (workplace / "conf/model/mingru.yaml").write_text(yaml.replace("cell: gru", "cell: mingru"))
    answer = subprocess.run(
        [
            sys.executable,
            "-m",
            "rnn_bench",
            "model=mingru",
            *SMALL,
            "evaluation.gradient_flow=true",
        ],
        cwd=workplace,
        capture_output=True,
        text=True,
    )
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout.startswith("mingru-demo-")
    assert "gradients by state fall to 1 %" in answer.stdout

"""The wheel works by itself, away from the checkout."""

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow.entities import Run

from tests.conftest import SMALL_CORPUS, Command

PROJECT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the wheel brings. Building it needs no network."""
    dist = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", dist, PROJECT]
    subprocess.run(build, check=True)
    (wheel,) = dist.glob("*.whl")
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def python(installed: Path, cwd: Path, *arguments: str) -> str:
    """What Python prints in a folder where the wheel's package comes before the checkout's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    finished = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**kept, "PYTHONPATH": str(installed)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return finished.stdout


def test_the_wheel_brings_the_package_the_kernel_the_configuration_and_the_licence(
    installed: Path,
) -> None:
    def files(folder: Path) -> set[Path]:
        return {path.relative_to(folder) for path in folder.rglob("*.*") if path.is_file()}

    assert files(installed / "rnn_bench" / "conf") == files(PROJECT / "conf")
    assert {name.name for name in files(installed) if name.suffix in (".cpp", ".cu", ".h")} == {
        name.name for name in files(PROJECT / "rnn_bench") if name.suffix in (".cpp", ".cu", ".h")
    }
    plugins, package, metadata = sorted(path.name for path in installed.iterdir())
    assert (plugins, package) == ("hydra_plugins", "rnn_bench")
    own = {Path("rnn_bench_launcher.py"), Path("rnn_bench_sweeper.py")}
    assert files(installed / plugins) == own, "a namespace of Hydra's"
    assert (installed / metadata / "entry_points.txt").read_text() == (
        "[console_scripts]\nrnn-bench = rnn_bench.command_line:main\n"
    )
    assert (installed / metadata / "licenses" / "LICENSE").is_file()


def test_the_installed_package_is_not_the_checkout(installed: Path, tmp_path: Path) -> None:
    file = python(installed, tmp_path, "-c", "import rnn_bench; print(rnn_bench.__file__)")
    assert Path(file.strip()) == installed / "rnn_bench" / "__init__.py"


def test_the_installed_command_shows_its_help_from_any_folder(
    installed: Path, tmp_path: Path
) -> None:
    shown = python(installed, tmp_path, "-m", "rnn_bench", "--help")
    for option in ("demo", "gru", "adam", "fair"):
        assert option in shown


def test_the_installed_command_composes_its_own_configuration(
    installed: Path, tmp_path: Path
) -> None:
    shown = python(installed, tmp_path, "-m", "rnn_bench", "--cfg", "job", "model=lstm")
    assert "cell: lstm" in shown
    sources = python(installed, tmp_path, "-m", "rnn_bench", "--info", "searchpath")
    assert str(installed / "rnn_bench" / "conf") in sources
    assert str(PROJECT) not in sources
    assert list(tmp_path.iterdir()) == []


def test_the_installed_command_trains(installed: Path, tmp_path: Path) -> None:
    small = ("dataset.articles=40", "dataset.length=8")
    small += ("dataset.cue_distance=2", "dataset.marker_distance=3")
    run = ("model=tfidf", f"cache_dir={tmp_path / 'cache'}", *small)
    # A sweep, which the launcher of the wheel packs onto this machine.
    shown = python(installed, tmp_path, "-m", "rnn_bench", "-m", *run)
    assert "finished, test accuracy" in shown
    assert (tmp_path / "mlflow.db").is_file()


@pytest.fixture
def never_installed(tmp_path: Path) -> list[str]:
    """An interpreter and its path: a copy of the source tree, and every installed package but
    this one."""
    tree, packages = tmp_path / "tree", tmp_path / "packages"
    packages.mkdir()
    for name in ("rnn_bench", "conf", "hydra_plugins"):
        shutil.copytree(PROJECT / name, tree / name)
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if "rnn_bench" not in path.name:
            (packages / path.name).symlink_to(path)
    return [sys.executable, "-S", f"{tree}:{packages}"]


def run_uninstalled(
    never_installed: list[str], folder: Path, *words: str
) -> "subprocess.CompletedProcess[str]":
    *interpreter, path = never_installed
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    return subprocess.run(
        [*interpreter, *words],
        cwd=folder,
        env={**kept, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )


def test_a_source_tree_that_was_never_installed_is_refused_in_a_line(
    never_installed: list[str], tmp_path: Path
) -> None:
    words = ("-m", "rnn_bench", "model=majority", "dataset.articles=60")
    finished = run_uninstalled(never_installed, tmp_path, *words)
    assert finished.returncode == 2
    (line,) = finished.stderr.splitlines()
    assert "pip install" in line
    assert not (tmp_path / "mlflow.db").exists()


SERVE = """
import sys
from rnn_bench.command_line import main
from rnn_bench.serving.app import build_app
from rnn_bench.serving.stored import load_classifier

print(build_app(load_classifier(sys.argv[1], None)).version)
main(["--version"])
"""


def test_a_source_tree_that_was_never_installed_serves_models(
    never_installed: list[str],
    workplace: Path,
    rnn_bench: Command,
    recorded_runs: Callable[[], list[Run]],
) -> None:
    assert rnn_bench("model=majority", *SMALL_CORPUS).status == 0
    (run,) = recorded_runs()
    shown = run_uninstalled(never_installed, workplace, "-c", SERVE, run.info.run_id)
    assert (shown.stdout, shown.returncode) == ("unknown\nrnn_bench unknown\n", 0), shown.stderr

import gc
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import settings
from mlflow import MlflowClient
from mlflow.entities import Run

from rnn_bench.__main__ import main
from rnn_bench.config.composition import Composer
from rnn_bench.config.schema import Config
from rnn_bench.models.kernels.fused import CpuKernel, FusedKernel
from rnn_bench.models.kernels.library import Unavailable

# Processes inherit that a signal is ignored, as under nohup and in the background of a shell, but
# no handler: where this process has one, they listen as from a terminal.
for number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, lambda *received: None)
# A busy machine is no failure.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
# A run of half a second: the real configuration, shrunk.
# A corpus of one's own, for a module beside its dataset's YAML file.
WEATHER = """
from rnn_bench.data.corpus import Articles, Corpus
class Weather(Corpus):
    def __init__(self, *, data_dir):
        pass
    def read(self):
        texts = ["sun and wind", "rain and wind"] * 40
        return Articles((texts, [0, 1] * 40), (texts[:10], [0, 1] * 5), ("fake", "real"))
"""
SMALL_CORPUS = (
    *("dataset.articles=192", "dataset.length=12"),
    *("dataset.cue_distance=2", "dataset.marker_distance=3"),
)
SMALL = (
    *SMALL_CORPUS,
    "model.hidden_size=8",
    "model.embedding_dim=8",
    "protocol.epochs=2",
    "threads=1",
)

# A recipe with every key that `fair` may change, so that its results stay.
PLAIN = (
    *("optimizer.lr=0.001", "protocol.embedding_std=1", "protocol.readout=last_token"),
    *("protocol.truncation=head", "protocol.schedule=constant", "protocol.warmup=0"),
    *("protocol.ema_decay=0", "protocol.forget_bias=null", "model.dropout=0.5"),
)


def changed(base: Sequence[str], *overrides: str) -> tuple[str, ...]:
    """Return the overrides of `base` and further ones, which replace those of the same key."""
    lines = {line.partition("=")[0]: line for line in (*base, *overrides)}
    return (*lines.values(),)


RAW = Path(__file__).parents[2] / "shared" / "data"


def pytest_collection_finish() -> None:
    """What is imported stays: looking through it for garbage again and again takes a tenth of the
    tests' time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000)


@pytest.fixture(scope="session")
def common(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of all the tests' processes."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def new_store(common: Path) -> Path:
    """A SQLite store with MLflow's tables and nothing else: making one takes seconds."""
    file = common / "new.db"
    with FileLock(common / "new.lock"):
        if not file.exists():
            made = common / "made.db"
            MlflowClient(f"sqlite:///{made}").search_experiments()
            shutil.copy(made, file)
    return file


@pytest.fixture(scope="session")
def compiled(common: Path) -> Path:
    """A cache folder for the compiled kernel, which takes seconds."""
    cache = common / "compiled"
    (cache / "kernels").mkdir(parents=True, exist_ok=True)
    return cache


@pytest.fixture
def workplace(
    tmp_path: Path, new_store: Path, compiled: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A working folder of its own, with an empty store and a cache of compiled kernels alone."""
    shutil.copy(new_store, tmp_path / "mlflow.db")
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "kernels").symlink_to(compiled / "kernels")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RNN_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HYDRA_FULL_ERROR", "")
    for name in ("RNN_BENCH_DATA", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    yield tmp_path
    forget_modules(tmp_path)


def forget_modules(folder: Path) -> None:
    """Let the user's own modules of a test's folder be imported by no other test."""
    for name, module in [*sys.modules.items()]:
        if str(getattr(module, "__file__", "")).startswith(str(folder)):
            del sys.modules[name]


@pytest.fixture
def small_disk(workplace: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A file system of 300 kB, or of the test's own size."""
    folder = workplace / "small"
    folder.mkdir()
    size = getattr(request, "param", "300k")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small file system cannot be mounted here; it needs root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@dataclass
class Answer:
    """What a command came to."""

    status: int
    out: str
    err: str


Command = Callable[..., Answer]


@pytest.fixture
def reported() -> None:
    """Sweeps of `rnn_bench` end with their report, which takes a second."""


@pytest.fixture
def audited() -> None:
    """Sweeps of `rnn_bench` audit their corpora, which takes a second."""


@pytest.fixture
def rnn_bench(
    workplace: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> Command:
    """`python -m rnn_bench ...` in the workplace, without starting a process; nor are processes
    started for the runs of a sweep, unless the launcher is `packed` or arguments configure it."""
    if "reported" not in request.fixturenames:
        monkeypatch.setattr("rnn_bench.commands.sweep.write_page", lambda *sweep: None)
    if "audited" not in request.fixturenames:
        monkeypatch.setattr("rnn_bench.commands.sweep.record_audits", lambda *sweep: [])

    def command(*arguments: str, launcher: str = "basic") -> Answer:
        if "-m" in arguments and not any(each.startswith("hydra") for each in arguments):
            arguments += (f"hydra/launcher={launcher}",)
        monkeypatch.setattr(sys, "argv", ["rnn_bench", *arguments])
        capsys.readouterr()
        status = main()
        return Answer(status, *capsys.readouterr())

    return command


@pytest.fixture
def recorded_runs(workplace: Path) -> Callable[[], list[Run]]:
    """Every run in the workplace's store, oldest first."""

    def runs() -> list[Run]:
        client = MlflowClient(f"sqlite:///{workplace / 'mlflow.db'}")
        experiment = client.get_experiment_by_name("rnn-bench")
        if experiment is None:
            return []
        return [
            *client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"])
        ]

    return runs


@pytest.fixture
def configured(workplace: Path) -> Callable[..., Config]:
    """The checked config of a command line."""

    def compose(*overrides: str) -> Config:
        composer = Composer()
        return composer.job(composer.compose([*overrides, "sweep_id=test"])).config

    return compose


@pytest.fixture(scope="session")
def kernel(compiled: Path) -> FusedKernel:
    """The fused kernel for this processor, whether it wins there or not."""
    try:
        return CpuKernel(compiled)
    except Unavailable as reason:
        if shutil.which("c++") or shutil.which("g++") or shutil.which("clang++"):
            raise
        pytest.skip(f"The fused kernel cannot be used: {reason}")


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        return int(closed.getsockname()[1])


@pytest.fixture(scope="session")
def articles() -> Path:
    """The folder of real articles."""
    if not RAW.is_dir():
        pytest.skip("the real articles are not beside the checkout")
    return RAW


def unable_to_write(folder: Path) -> Sequence[str]:
    """Makes the folder read-only; a command with the returned prefix minds that, even as root."""
    for path in (folder, *folder.rglob("*")):
        if path.is_dir():
            path.chmod(0o555)
    if os.geteuid():
        return ()
    if not shutil.which("setpriv"):
        pytest.skip("root writes everywhere")
    return ("setpriv", "--bounding-set=-dac_override")

"""The frame of all commands: words, help, errors and exit statuses."""

import importlib
import importlib.metadata
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rnn_bench.command_line import main, run_command
from rnn_bench.commands.arguments import COMMANDS
from rnn_bench.config.errors import UsageError
from rnn_bench.data.__main__ import main as data_command
from tests.conftest import SMALL_CORPUS, Command

SLOW = {"torch", "mlflow", "pandas", "sklearn", "scipy", "matplotlib", "kagglehub"}
PROJECT = Path(__file__).parents[1]


def loaded_by(statement: str) -> set[str]:
    """The modules that a new interpreter has loaded after a statement."""
    script = f"import sys\ntry:\n  {statement}\nexcept SystemExit: pass\nprint(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    return set(shown.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["--version"],
        ["predict", "--help"],
        ["report", "--nothing"],
        ["predict", "RUN", "text", "--csv", "file"],
    ],
)
def test_help_and_wrong_arguments_import_nothing_slow(words: list[str]) -> None:
    loaded = loaded_by(f"from rnn_bench.command_line import main; main({words})")
    assert "rnn_bench.command_line" in loaded
    assert not (SLOW | {"hydra", "omegaconf"}) & loaded


def test_composing_imports_nothing_slow(workplace: Path) -> None:
    sweep = "from rnn_bench.__main__ import main"
    loaded = loaded_by(f"{sweep}; main(['--cfg', 'job'])")
    assert "hydra" in loaded
    assert not SLOW & loaded
    assert not SLOW & loaded_by(f"{sweep}; main(['model=gruu'])")


def test_the_console_script_is_the_command_line() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    module, function = project["scripts"]["rnn-bench"].split(":")
    assert getattr(importlib.import_module(module), function) is main


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    version = importlib.metadata.version("rnn_bench")
    assert capsys.readouterr().out == f"rnn_bench {version}\n"


def test_only_the_console_script_prints_the_version() -> None:
    assert data_command(["--version"]) == 2


def test_without_words_there_is_help_and_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert all(f"\n  {name} " in err for name in COMMANDS)


def test_an_unknown_command_is_answered_with_the_known_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["reprot"]) == 2
    assert "'reprot' (choose from" in capsys.readouterr().err


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in ("sweep", "serve")])
def test_every_command_has_help_and_a_module_that_runs(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([name, "--help"])
    assert capsys.readouterr().out.startswith(f"usage: rnn-bench {name} [-h]")
    assert callable(importlib.import_module(f"rnn_bench.commands.{name}").run)


# --- errors and exit statuses --------------------------------------------------------------------


def command_that(monkeypatch: pytest.MonkeyPatch, error: BaseException | None, name: str) -> None:
    """Make a command raise this error."""

    def run(arguments: Any) -> None:
        if error:
            raise error

    module = SimpleNamespace(run=run)
    monkeypatch.setitem(sys.modules, f"rnn_bench.commands.{name}", module)


@pytest.mark.parametrize(
    ("error", "name", "status", "says"),
    [
        (None, "report", 0, ""),
        (UsageError("It cannot be."), "report", 2, "It cannot be.\n"),
        (KeyboardInterrupt(), "report", 130, "Interrupted.\n"),
        (KeyboardInterrupt(), "sync", 130, "Interrupted. The same command goes on from here.\n"),
    ],
)
def test_an_error_has_a_message_and_a_status(
    error: BaseException | None,
    name: str,
    status: int,
    says: str,
    workplace: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command_that(monkeypatch, error, name)
    assert run_command(name, []) == status
    assert capsys.readouterr() == ("", says)


def test_hydra_full_error_shows_the_traceback(
    rnn_bench: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    with pytest.raises(UsageError, match="must be above 0"):
        rnn_bench("optimizer.lr=-1")


def test_a_reader_that_has_seen_enough_is_no_error(workplace: Path) -> None:
    script = "import sys; from rnn_bench.command_line import main; sys.exit(main())"
    command = f"{sys.executable} -c '{script}' sweep --cfg job; echo $? >&2"
    shown = subprocess.run(
        ["bash", "-c", f"( {command} ) | true"], capture_output=True, text=True, timeout=120
    )
    assert shown.stderr == "0\n"


# --- the commands ---------------------------------------------------------------------------------


def test_a_sweep_is_trained_reported_and_listed(
    workplace: Path,
    rnn_bench: Command,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    small = ("model=majority,tfidf", *SMALL_CORPUS)
    assert main(["sweep", "-m", *small, "hydra/launcher=basic"]) == 0
    assert sys.path[0] == str(workplace), "a user's own classes lie there"
    assert main(["sweep", "-m", "model=nothing"]) == 2
    capsys.readouterr()
    assert main(["report", "--out", "page"]) == 0
    assert Path(capsys.readouterr().out.strip()) == Path("page/index.html")
    assert main(["list"]) == 0
    head, line = capsys.readouterr().out.splitlines()
    assert head.split() == ["sweep", "began", "runs", "command"]
    assert "  2 finished  python -m rnn_bench -m model=majority,tfidf" in line


def test_a_list_without_sweeps_says_how_to_make_one(
    workplace: Path, rnn_bench: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rnn_bench("model=majority", *SMALL_CORPUS).status == 0
    assert main(["list"]) == 0
    assert "no sweep in the record yet" in capsys.readouterr().out


def test_serve_serves_the_model_where_it_is_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, object] = {}
    serve = "rnn_bench.commands.serve.serve"
    monkeypatch.setattr(serve, lambda **arguments: asked.update(arguments))
    monkeypatch.setattr(sys, "path", [*sys.path])
    words = ["serve", "models:/a@champion", "--port", "0", "--tracking-uri", "sqlite:///b"]
    assert main(words) == 0
    assert asked == {
        "model": "models:/a@champion",
        "tracking_uri": "sqlite:///b",
        "host": "127.0.0.1",
        "port": 0,
        "max_body_bytes": 2**25,
        "trust": [],
    }

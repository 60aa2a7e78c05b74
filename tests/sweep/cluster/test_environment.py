"""What a sweep on a cluster needs, as far as it shows without one."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from rnn_bench.config.errors import UsageError
from rnn_bench.config.schema import Config
from rnn_bench.sweep.cluster.environment import (
    FOLDER,
    enter_working_folder,
    environment_overrides,
    quote,
)
from tests.conftest import SMALL_CORPUS, Command
from tests.tracking.server import Server


@pytest.mark.parametrize("launcher", ["slurm", "submitit_slurm"])
def test_a_store_that_other_machines_cannot_share_is_refused(
    launcher: str, workplace: Path, rnn_bench: Command
) -> None:
    answer = rnn_bench("-m", f"hydra/launcher={launcher}", "hydra.launcher.partition=gpu")
    assert answer.status == 2
    assert f"cannot share the SQLite file {workplace / 'mlflow.db'}" in answer.err
    assert "mlflow server --host 0.0.0.0 --port 5000 --allowed-hosts" in answer.err


def test_a_launcher_of_sweeps_needs_a_sweep(rnn_bench: Command) -> None:
    answer = rnn_bench("hydra/launcher=slurm")
    assert (answer.status, answer.err) == (2, "hydra/launcher=slurm carries sweeps: add -m.\n")


def test_what_the_launcher_itself_cannot_do_is_said_in_a_line(
    workplace: Path, rnn_bench: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = workplace / "bin"
    programs.mkdir()
    (programs / "sacct").write_text("#!/bin/sh\necho storage is disabled >&2\nexit 1\n")
    (programs / "sacct").chmod(0o755)
    server = Server(workplace)
    try:
        monkeypatch.setenv("PATH", str(programs))  # without sbatch
        uri = f"tracking.uri={server.uri}"
        answer = rnn_bench("-m", "hydra/launcher=slurm", "model=majority", uri, *SMALL_CORPUS)
    finally:
        server.stop()
    assert answer.status == 1
    assert "sacct says: storage is disabled. Without it submitit does not notice" in answer.out
    assert "hydra/launcher=slurm failed. " in answer.out
    assert "AssertionError" not in answer.out  # of Hydra, which had no job to launch
    assert "s0: it has no record in MLflow." in answer.out
    assert "A job died" not in answer.out
    assert "Traceback" not in answer.out + answer.err


@given(st.text(st.characters(exclude_categories=["C"]) | st.sampled_from("\\'\"${}")))
def test_any_text_travels_in_hydra_s_grammar(text: str) -> None:
    (override,) = OverridesParser.create().parse_overrides([f"a={quote(text)}"])
    assert OmegaConf.create({"a": override.value()}).a == text


def test_jobs_get_the_command_s_folder_and_variables_and_no_secret(
    workplace: Path, configured: Callable[..., Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://host:5000")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "secret")
    carried = environment_overrides(configured())
    assert f"output_dir='{workplace / 'outputs'}'" in carried
    assert "++hydra.job.env_set.MLFLOW_TRACKING_URI='http://host:5000'" in carried
    assert "secret" not in " ".join(carried)

    folder = workplace / "elsewhere"
    monkeypatch.setenv(FOLDER, str(folder))
    with pytest.raises(UsageError, match=f"has no {folder}"):
        enter_working_folder()
    folder.mkdir()
    enter_working_folder()
    assert Path.cwd() == folder
    assert os.environ[FOLDER] == str(folder)

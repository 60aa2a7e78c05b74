"""A model that somebody else has stored runs no code here that the user has not named."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Command, forget_modules
from tests.serving.conftest import CSV, TINY, Trained, model_of

SWEEPS = (("model=gru", *CSV, *TINY),)
ATTACK = "from pathlib import Path\nPath('ran').touch()\n"
OWN_MODEL = """\
import torch
from torch import nn


class Constant(nn.Module):
    def __init__(self, *, vocabulary_size: int, classes: int, readout: str):
        super().__init__()
        self.scores = nn.Parameter(torch.zeros(classes))

    def forward(self, tokens: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        return self.scores.expand(len(tokens), -1)
"""


@pytest.fixture
def stranger(there: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of a run's model; modules in the folder that it lies in can be imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield Path(shutil.copytree(model_of(there.run(model="gru")), tmp_path / "model"))
    forget_modules(tmp_path)


def with_model(folder: Path, **keys: Any) -> None:
    """Change keys of the model in the folder's settings."""
    file = folder / "config.json"
    settings = json.loads(file.read_text())
    settings["model"] = {**settings["model"], **keys} if "cell" in keys else keys
    file.write_text(json.dumps(settings))


HUB = {"repo_or_dir": "hub", "model": "x", "source": "local", "trust_repo": True}


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({"_target_": "torch.hub.load", **HUB}, "torch.hub.load"),
        ({"_target_": "rnn_bench.models.recurrent.torch.hub.load", **HUB}, "torch.hub.load"),
        ({"_target_": "rnn_bench.models.recurrent.importlib.import_module", "name": "evil"}, ""),
        ({"_target_": "rnn_bench.models.recurrent.nn.Identity"}, "nn.Identity"),
        ({"_target_": "rnn_bench.files.os.system", "command": "touch ran"}, "os.system"),
        ({"_target_": "os.system", "command": "touch ran"}, "os.system"),
        ({"_target_": "evil.Model"}, "evil.Model"),
        ({"_target_": "rnn_bench.models..evil.Model"}, "evil.Model"),
        ({"_target_": ["os", "system"]}, "config.json"),
        ({"_target_": ""}, "config.json"),
        ({"cell": "evil.Cell"}, "evil.Cell"),
        ({"cell": "\x1b[2Jevil.Cell\nadd --trust evil"}, "is not the path of a class"),
        ({"cell": "hub.hubconf.Cell"}, "hub.hubconf.Cell"),
        ({"cell": "rnn_bench.models.cells.gru.torch.Tensor"}, "torch.Tensor"),
    ],
)
@pytest.mark.parametrize("command", ["predict", "serve"])
def test_a_stored_configuration_runs_no_code_of_others(
    keys: dict[str, Any], named: str, command: str, stranger: Path, serving: Command
) -> None:
    Path("hub").mkdir()
    for file in ("evil.py", "hub/hubconf.py"):
        Path(file).write_text(ATTACK + "def x(**given): return None\n")
    with_model(stranger, **keys)
    answer = serving(command, str(stranger), *(["hello"] if command == "predict" else []))
    assert (answer.status, answer.out) == (2, "")
    assert str(stranger) in answer.err
    assert named in answer.err
    assert len(answer.err.splitlines()) <= 6
    assert "\x1b" not in answer.err
    assert "Traceback" not in answer.err
    assert not Path("ran").exists()


def test_a_class_of_one_s_own_is_used_where_the_command_names_its_module(
    stranger: Path, serving: Command
) -> None:
    Path("my_models.py").write_text(OWN_MODEL)
    with_model(stranger, _target_="my_models.Constant")
    refused = serving("predict", str(stranger), "hello")
    assert refused.status == 2
    (switch,) = (line for line in refused.err.splitlines() if "--trust" in line)
    assert "--trust my_models" in switch
    # Its weights are those of a GRU: it is imported, and then they do not fit.
    answer = serving("predict", str(stranger), "hello", "--trust", "my_models")
    assert "weights.safetensors" in answer.err
    assert "does not fit" in answer.err


def test_what_is_trusted_must_still_be_a_model(stranger: Path, serving: Command) -> None:
    Path("my_models.py").write_text(OWN_MODEL + "import os\nfrom rnn_bench.files import Path\n")
    for target in ("my_models.os.system", "my_models.Path", "my_models.nn.Identity"):
        with_model(stranger, _target_=target, command="touch ran")
        answer = serving("predict", str(stranger), "hello", "--trust", "my_models")
        assert (answer.status, answer.out) == (2, "")
        assert target in answer.err
        assert not Path("ran").exists()


def test_trusting_a_module_trusts_no_other_that_begins_like_it(
    stranger: Path, serving: Command
) -> None:
    Path("my_models_2.py").write_text(ATTACK + OWN_MODEL)
    with_model(stranger, _target_="my_models_2.Constant")
    answer = serving("predict", str(stranger), "hello", "--trust", "my_models", "--trust", "a")
    assert answer.status == 2
    assert "--trust my_models_2" in answer.err
    assert not Path("ran").exists()


MLFLOW = """
import sys
import mlflow.pyfunc
import pandas as pd

model = mlflow.pyfunc.load_model(sys.argv[1])
print(model.predict(pd.DataFrame({"text": ["wet sky"]}))["label"][0])
"""


def test_mlflow_s_loader_takes_the_trusted_modules_from_the_environment(
    there: Trained, stranger: Path
) -> None:
    cell = "from rnn_bench.models.cells.gru import GRU\n\n\nclass Mine(GRU):\n    pass\n"
    Path("my_cells.py").write_text(cell)
    with_model(stranger, cell="my_cells.Mine")
    command = [sys.executable, "-c", MLFLOW, str(stranger)]
    known = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path.cwd()), *sys.path])}
    refused = subprocess.run(command, env=known, capture_output=True, text=True)
    assert refused.returncode != 0
    assert "RNN_BENCH_TRUST=my_cells" in refused.stderr
    known["RNN_BENCH_TRUST"] = "others,my_cells"
    answer = subprocess.run(command, env=known, capture_output=True, text=True)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout.strip() in ("fair", "foul")

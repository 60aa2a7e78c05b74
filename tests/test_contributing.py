"""CONTRIBUTING.md, followed word for word."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow.entities import Run

GUIDE = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text()


def follow_the_guide(folder: Path) -> str:
    """Write each file that the guide names; returns the command that it ends with."""
    for name, content in re.findall(r"`([\w/]+\.(?:py|yaml))`:\n\n```\w+\n(.*?)```", GUIDE, re.S):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    (command,) = re.findall(r"```\n(python .*?)\n```", GUIDE)
    return str(command)


def run(command: str, *more: str) -> subprocess.CompletedProcess[str]:
    _, *arguments = shlex.split(command)
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    return subprocess.run(
        [sys.executable, *arguments, *more], env=environment, capture_output=True, text=True
    )


def test_a_model_a_corpus_and_an_optimizer_are_added_as_the_guide_says(
    workplace: Path, recorded_runs: Callable[[], list[Run]]
) -> None:
    answer = run(follow_the_guide(workplace))
    assert (answer.returncode, answer.stderr) == (0, "")
    mean, tfidf = sorted(recorded_runs(), key=lambda run: run.data.tags["model"])
    assert mean.info.run_name == "mean-weather-nadam-s0"
    assert mean.data.params["model.size"] == "50"
    assert mean.data.params["optimizer.lr"] == "0.002"
    assert mean.data.tags["dataset"] == "weather"
    assert tfidf.data.metrics["test_accuracy"] == 1.0


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
    override: str, says: str, workplace: Path
) -> None:
    follow_the_guide(workplace)
    answer = run("python -m rnn_bench --config-dir my_conf model=mean", override)
    assert answer.returncode == 2
    assert says in answer.stderr
    assert "Traceback" not in answer.stderr

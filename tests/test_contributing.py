"""CONTRIBUTING.md, followed word for word."""

import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow.entities import Run

from tests.conftest import Command

GUIDE = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text()


def follow_the_guide(folder: Path) -> str:
    """Write each file that the guide names; returns the command that it ends with."""
    for name, content in re.findall(r"`([\w/]+\.(?:py|yaml))`:\n\n```\w+\n(.*?)```", GUIDE, re.S):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    (command,) = re.findall(r"```\n(python .*?)\n```", GUIDE)
    return str(command)


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

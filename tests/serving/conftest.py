"""Finished runs of every kind of model, made once for all tests of a process."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from rnn_bench.serving.__main__ import main as serving_command
from tests.conftest import Answer

READOUTS = ("last_token", "padded_end", "mean", "max")
TINY = ("model.hidden_size=6", "model.embedding_dim=6", "protocol.epochs=1", "threads=1")
CSV = ("dataset=csv", "dataset.train=train.csv", "dataset.test=test.csv")
COMMON = ("hydra/launcher=basic", "protocol.batch_size=8", "protocol.max_length=9")


@dataclass
class Trained:
    """A folder with a store of finished runs."""

    folder: Path
    runs: list[Run]

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.folder / 'mlflow.db'}"

    def run(self, **tags: str) -> Run:
        """The first run with these tags or parameters."""
        known = [{**run.data.params, **run.data.tags} for run in self.runs]
        wanted = {name.replace("__", "."): value for name, value in tags.items()}
        return self.runs[next(i for i, each in enumerate(known) if wanted.items() <= each.items())]


def write_articles(folder: Path) -> None:
    """Articles with upper case, punctuation and odd characters, of 0 to 12 words."""
    good, bad = "The SUN, warm; and — bright ünd Day\u2028Light!", "Rain? cold\x00 'wind' über Night %s ☔"
    rows = [
        (" ".join((text.split() * 2)[: number % 13]) or "\u200b", label)
        for number in range(104)
        for text, label in ((good, "fair"), (bad, "foul"))
    ]
    # Half of the short ones bear the other label: accuracies lie between a half and 1.
    rows = [
        (text, "foul" if number % 5 == 0 else label) for number, (text, label) in enumerate(rows)
    ]
    for name, part in (("train.csv", rows[:150]), ("test.csv", rows[150:])):
        pd.DataFrame(part, columns=["text", "label"]).to_csv(folder / name, index=False)


def sweep(folder: Path, *arguments: str) -> None:
    kept = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    finished = subprocess.run(
        [sys.executable, "-m", "rnn_bench", "-m", *arguments, *COMMON],
        cwd=folder,
        env={**kept, "RNN_BENCH_CACHE": str(folder / "cache")},
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Three cells and the baselines on one CSV corpus, each readout, two layers, two directions;
    the last sweep has two corpora."""

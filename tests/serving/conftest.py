"""Finished runs, whose texts need cleaning."""

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from rnn_bench.__main__ import main
from rnn_bench.serving.__main__ import main as serving_command
from tests.conftest import Answer, Command

TINY = ("model.hidden_size=6", "model.embedding_dim=6", "protocol.epochs=1")
CSV = ("dataset=table", "dataset.train=train.csv", "dataset.test=test.csv")
COMMON = ("hydra/launcher=basic", "threads=1", "protocol.batch_size=8", "protocol.max_length=9")


@dataclass
class Trained:
    """A folder with finished runs, and their store."""

    folder: Path
    client: MlflowClient
    runs: list[Run]

    def run(self, **asked: str) -> Run:
        """The first run with these values of tags, or of parameters' last names."""
        for run in self.runs:
            values = {name.rpartition(".")[2]: value for name, value in run.data.params.items()}
            if asked.items() <= {**values, **run.data.tags}.items():
                return run
        raise LookupError(asked)


def model_of(run: Run) -> Path:
    """The run's model, where its store keeps it."""
    return Path(run.info.artifact_uri.removeprefix("file://")) / "model"


def write_articles(folder: Path) -> None:
    """Articles of 0 to 12 words with capitals, punctuation and characters beyond ASCII; every
    fifth has the other's label, so that accuracies are not 1."""
    sun = "The SUN, warm; and \u2014 bright \u00dcnd Day Light! A sunny"
    rain = "Rain? cold 'wind' \u00fcber the Night \u2614 wet GREY sky. dark"
    rows = []
    for number in range(104):
        for text, label, other in ((sun, "fair", "foul"), (rain, "foul", "fair")):
            words = text.split()[: number % 13]
            rows.append((" ".join(words) or "\u200b", other if number % 5 == 0 else label))
    for name, part in (("train.csv", rows[:150]), ("test.csv", rows[150:])):
        pd.DataFrame(part, columns=["text", "label"]).to_csv(folder / name, index=False)


def write_study(folder: Path) -> None:
    """Raw files of the study's two corpora, small."""
    raw, kaggle = (folder / "data" / name / "raw" for name in ("isot", "kaggle"))
    for path in (raw, kaggle):
        path.mkdir(parents=True)
    true = [
        (f"Senate votes, No. {i}", f"PARIS (Reuters) - A bill - passed {i}!") for i in range(40)
    ]
    fake = [(f"You won't BELIEVE {i}", f"what she said - on day {i}...") for i in range(40)]
    for name, articles in (("True.csv", true), ("Fake.csv", fake)):
        table = pd.DataFrame(articles, columns=["title", "text"])
        table.assign(subject="news", date="").to_csv(raw / name, index=False)
    both = pd.DataFrame(true + fake, columns=["title", "text"])
    labels = ["REAL"] * len(true) + ["FAKE"] * len(fake)
    both.assign(label=labels).to_csv(kaggle / "fake_or_real_news.csv", index=False)


@pytest.fixture(scope="module")
def trained(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, new_store: Path
) -> Trained:
    """The runs of the module's SWEEPS."""
    folder = tmp_path_factory.mktemp("trained")
    shutil.copy(new_store, folder / "mlflow.db")
    write_articles(folder)
    write_study(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("RNN_BENCH_CACHE", str(folder / "cache"))
        patch.setenv("HYDRA_FULL_ERROR", "")
        for name in ("RNN_BENCH_DATA", "MLFLOW_TRACKING_URI"):
            patch.delenv(name, raising=False)
        patch.setattr("rnn_bench.commands.sweep.write_page", lambda *sweep: None)
        patch.setattr("rnn_bench.commands.sweep.record_audits", lambda *sweep: [])
        for sweep in request.module.SWEEPS:
            patch.setattr(sys, "argv", ["rnn_bench", "-m", *sweep, *COMMON])
            assert main() == 0
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("rnn-bench")
    assert experiment
    return Trained(folder, client, list(client.search_runs([experiment.experiment_id])))


@pytest.fixture
def there(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> Trained:
    """The working folder is that of the finished runs."""
    monkeypatch.chdir(trained.folder)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return trained


@pytest.fixture
def serving(there: Trained, capfd: pytest.CaptureFixture[str]) -> Command:
    """`python -m rnn_bench.serving ...` there, without starting a process."""

    def command(*arguments: str) -> Answer:
        capfd.readouterr()
        status = serving_command(arguments)
        return Answer(status, *capfd.readouterr())

    return command

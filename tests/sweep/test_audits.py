"""The audit that a sweep records with its runs."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from tests.conftest import SMALL_CORPUS, WEATHER, Command

Runs = Callable[[], list[Run]]
pytestmark = pytest.mark.usefixtures("audited")


@pytest.fixture
def reviews(workplace: Path) -> tuple[str, ...]:
    """A CSV corpus's settings on the command line; two of its test articles are in training."""
    rows = [f"{'good' if i % 2 else 'poor'} book number {i},{i % 2}" for i in range(40)]
    (workplace / "reviews.csv").write_text("\n".join(["text,label", *rows, ""]))
    held_out = [*rows[:2], "quite good,1", "quite poor,0"]
    (workplace / "held_out.csv").write_text("\n".join(["text,label", *held_out, ""]))
    return ("dataset.train=reviews.csv", "dataset.test=held_out.csv")


@pytest.fixture
def no_audits(workplace: Path) -> None:
    """Let each audit fail: a file stands where they are kept."""
    (workplace / "cache").mkdir(exist_ok=True)
    (workplace / "cache" / "audits").write_text("a file")


def audit_lines(out: str) -> list[str]:
    return [line for line in out.splitlines() if "also stand in the training file" in line]


def audit_file(run: Run) -> Path:
    return Path(run.info.artifact_uri.removeprefix("file://")) / "audit.json"


def test_every_run_has_the_audit_of_its_corpus(
    rnn_bench: Command, recorded_runs: Runs, reviews: tuple[str, ...]
) -> None:
    answer = rnn_bench("-m", "model=tfidf,majority", "dataset=table", *reviews)
    assert answer.status == 0
    audits = [json.loads(audit_file(run).read_text()) for run in recorded_runs()]
    assert len(audits) == 2
    assert audits[0] == audits[1]
    assert audits[0]["test_articles_in_train"] == [0, 1]
    assert "reviews: 2 of 4 test articles also stand in the training file" in answer.out


def test_each_corpus_of_a_sweep_is_audited(
    rnn_bench: Command, recorded_runs: Runs, workplace: Path
) -> None:
    rnn_bench("-m", "model=majority", "dataset.noise=0,0.5", *SMALL_CORPUS)
    prints = [json.loads(audit_file(run).read_text())["fingerprint"] for run in recorded_runs()]
    assert len(set(prints)) == 2
    assert len([*(workplace / "cache" / "audits").iterdir()]) == 2


def test_corpora_of_one_name_are_told_apart(rnn_bench: Command, reviews: tuple[str, ...]) -> None:
    files = ("dataset.cleaning=lower,none", *reviews)
    answer = rnn_bench("-m", "model=majority", "dataset=table", *files)
    for cleaning in ("lower", "none"):
        assert f"reviews (cleaning {cleaning}): 2 of 4 test articles also stand" in answer.out


def test_splits_of_one_corpus_have_one_line(
    rnn_bench: Command, recorded_runs: Runs, reviews: tuple[str, ...], workplace: Path
) -> None:
    rows = (workplace / "reviews.csv").read_text().splitlines()[1:]
    others = [f"of its own {i},{i % 2}" for i in range(20)]
    rows = [*rows, *[row for row in rows[:20] for _ in range(2)], *others]
    (workplace / "reviews.csv").write_text("\n".join(["text,label", *rows, ""]))
    sweep = (
        "-m",
        "model=majority",
        "dataset=table",
        "dataset.train=reviews.csv",
        "dataset.folds=3",
    )
    rnn_bench(*sweep, "dataset.fold=0")  # whose audit is then read, not made
    answer = rnn_bench(*sweep, "dataset.fold=0,1,2")
    audits = [json.loads(audit_file(run).read_text()) for run in recorded_runs()]
    shared = [audit["duplicates"]["test_in_train"] for audit in audits]
    articles = [audit["splits"]["test"]["articles"] for audit in audits]
    assert len(shared) == 3
    assert len(set(shared)) > 1
    assert len(set(articles)) > 1
    (line,) = audit_lines(answer.out)
    assert line.startswith(
        f"reviews, 3 splits: {min(shared)} to {max(shared)} of {min(articles)} to {max(articles)} "
        "test articles also stand in the training file"
    )
    assert (
        f"{min(shared)} to {max(shared)} of {min(articles)} to {max(articles)} test articles are "
        "also in training" in answer.out
    )
    assert audit_lines(rnn_bench(*sweep, "dataset.fold=0,1,2").out) == [line]


def test_parts_of_the_training_articles_have_one_line(
    rnn_bench: Command, reviews: tuple[str, ...]
) -> None:
    parts = "dataset.train_size=0.5,0.8,1"
    answer = rnn_bench("-m", "model=majority", "dataset=table", parts, *reviews)
    (line,) = audit_lines(answer.out)
    assert line.startswith("reviews: 2 of 4 test articles")


def test_a_damaged_audit_is_read_from_another_run_or_made_anew(
    rnn_bench: Command, recorded_runs: Runs, reviews: tuple[str, ...]
) -> None:
    sweep = ("-m", "model=tfidf,majority", "dataset=table", *reviews)
    lines = audit_lines(rnn_bench(*sweep).out)
    assert len(lines) == 1
    for run in recorded_runs():
        audit_file(run).write_text("damaged")
        again = rnn_bench(*sweep).out
        assert audit_lines(again) == lines
        assert f"The audit of run {run.info.run_id} is not used: " in again.replace("\n", " ")


def test_an_audit_that_cannot_be_recorded_is_told(
    rnn_bench: Command, reviews: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object) -> None:
        raise PermissionError("the store is read-only")

    monkeypatch.setattr(MlflowClient, "log_text", refuse)
    answer = rnn_bench("-m", "model=majority", "dataset=table", *reviews)
    assert answer.status == 0
    assert "The audit of reviews is not recorded: PermissionError: the store is" in answer.out
    assert len(audit_lines(answer.out)) == 1


def test_folds_of_each_split_seed_have_their_own_audit(
    rnn_bench: Command, recorded_runs: Runs, reviews: tuple[str, ...]
) -> None:
    folds = ("dataset.train=reviews.csv", "dataset.folds=3", "protocol.split_seed=0,1")
    assert rnn_bench("-m", "model=majority", "dataset=table", *folds).status == 0
    prints = [json.loads(audit_file(run).read_text())["fingerprint"] for run in recorded_runs()]
    assert len(prints) == len(set(prints)) == 2


def test_markup_in_a_corpus_s_name_is_text(
    rnn_bench: Command, recorded_runs: Runs, reviews: tuple[str, ...]
) -> None:
    name = "dataset.name='x[/red]y'"
    answer = rnn_bench("-m", "model=majority", "dataset=table", name, *reviews)
    assert answer.status == 0
    assert "x[/red]y: 2 of 4 test articles also stand in the training file" in answer.out
    assert all(audit_file(run).exists() for run in recorded_runs())


def test_a_reused_run_is_audited_if_it_was_not_and_else_left_alone(
    rnn_bench: Command, recorded_runs: Runs, workplace: Path
) -> None:
    rnn_bench("-m", "model=majority", "seed=0,1", *SMALL_CORPUS)
    lacking, having = map(audit_file, recorded_runs())
    lacking.unlink()
    having.write_text("left alone")
    assert rnn_bench("-m", "model=majority", "seed=0,1", *SMALL_CORPUS).status == 0
    assert json.loads(lacking.read_text())["corpus"] == "demo"
    assert having.read_text() == "left alone"
    shutil.rmtree(workplace / "cache" / "audits")
    rnn_bench("-m", "model=majority", "seed=0,1", *SMALL_CORPUS)
    assert not (workplace / "cache" / "audits").exists()


@pytest.mark.usefixtures("no_audits")
def test_an_audit_that_fails_fails_no_run(
    rnn_bench: Command, recorded_runs: Runs, workplace: Path
) -> None:
    answer = rnn_bench("-m", "model=majority", *SMALL_CORPUS)
    assert answer.status == 0
    assert "The audit of demo is not known: UsageError: cache_dir=" in answer.out
    assert not audit_file(*recorded_runs()).exists()


@pytest.mark.usefixtures("no_audits")
def test_a_split_whose_audit_fails_is_named(
    rnn_bench: Command, reviews: tuple[str, ...], workplace: Path
) -> None:
    folds = ("dataset.train=reviews.csv", "dataset.folds=3", "dataset.fold=0,2")
    answer = rnn_bench("-m", "model=majority", "dataset=table", *folds)
    for fold in (0, 2):
        assert f"The audit of reviews, fold {fold} is not known: UsageError" in answer.out


@pytest.mark.usefixtures("no_audits")
def test_an_audit_of_one_s_own_corpus_that_fails_fails_no_run(
    rnn_bench: Command, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workplace / "mine/dataset").mkdir(parents=True)
    (workplace / "mine/dataset/weather.yaml").write_text(
        "_target_: my_weather.Weather\nname: weather\n"
    )
    (workplace / "my_weather.py").write_text(WEATHER)
    monkeypatch.syspath_prepend(workplace)
    answer = rnn_bench("--config-dir", "mine", "-m", "model=majority", "dataset=weather")
    assert answer.status == 0
    assert "The audit of weather is not known: UsageError" in answer.out


def test_a_summary_that_fails_costs_no_comparison(
    rnn_bench: Command, recorded_runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rnn_bench.sweep.audits.findings", lambda *_: [][0])
    answer = rnn_bench("-m", "model=majority", *SMALL_CORPUS)
    assert answer.status == 0
    assert "The audit of demo is not summarized: IndexError: " in answer.out
    assert "test accuracy  chance" in answer.out
    assert audit_file(*recorded_runs()).exists()

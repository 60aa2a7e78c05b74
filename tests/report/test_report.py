"""The report that a sweep ends with."""

import re
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from rnn_bench.config.tracking import Tracking
from rnn_bench.report.__main__ import main as report_command
from rnn_bench.report.assembly import assemble_report
from rnn_bench.tracking.store import open_store
from tests.conftest import SMALL, SMALL_CORPUS, Command, changed
from tests.recorded import latest_results, report_page

Runs = Callable[[], list[Run]]
pytestmark = pytest.mark.usefixtures("reported")

TWO_EPOCHS = (*SMALL_CORPUS, "protocol.epochs=2")
NASTY = "<script>alert('a|b & c_$%')</script>"


@pytest.mark.usefixtures("audited")
def test_a_sweep_ends_with_a_report_that_needs_no_other_file(
    rnn_bench: Command, workplace: Path
) -> None:
    answered = rnn_bench("-m", "model=rnn,gru,majority", "seed=0,1", *TWO_EPOCHS)
    assert answered.status == 0, answered.out
    (folder,) = (workplace / "reports").iterdir()
    assert f"Report: reports/{folder.name}/index.html" in answered.out
    html = report_page(workplace)
    assert not re.findall(r"<(?:script|link|img|iframe)\b|@import|url\((?!#)", html)
    addresses = re.findall(r'(?:href|src)="(?!#)([^"]+)"', html)
    assert len(addresses) == 6
    assert all("/#/experiments/1/runs/" in address for address in addresses)
    accuracy = pd.read_csv(folder / "tables/accuracy.csv")
    assert set(accuracy["model"]) == {"rnn", "gru", "majority"}
    assert list(accuracy["seeds"]) == [2, 2, 2]
    probes = pd.read_csv(folder / "tables/probes.csv")
    assert len(probes) > 3
    assert "Audit of the data" in html
    for name in ("accuracy", "losses", "time"):
        svg = ElementTree.parse(folder / f"figures/{name}.svg").getroot()
        assert svg.get("role") == "img"
    assert "\\begin{tabular}" in (folder / "tables/pairs-1.tex").read_text()
    assert "| corpus | model | test accuracy |" in (folder / "report.md").read_text()
    command = "python -m rnn_bench -m model=rnn,gru,majority seed=0,1"
    assert command in html


def test_the_report_says_the_best_possible_accuracy(
    rnn_bench: Command, recorded_runs: Runs, workplace: Path
) -> None:
    rnn_bench("-m", "model=majority", "dataset.noise=0.1", *SMALL_CORPUS)
    (run,) = recorded_runs()
    best = float(run.data.tags["best_possible_accuracy"])
    assert 0.8 < best < 1
    assert (
        f"The best possible accuracy on demo is {best:.4f}: the other labels are noise."
        in report_page(workplace)
    )
    client = MlflowClient(f"sqlite:///{workplace / 'mlflow.db'}")
    client.set_tag(run.info.run_id, "best_possible_accuracy", "damaged")
    assert report_command([]) == 0
    assert "best possible" not in report_page(workplace)


def test_the_figures_are_those_of_the_record(
    rnn_bench: Command, recorded_runs: Runs, workplace: Path
) -> None:
    rnn_bench("-m", "model=rnn", "seed=0,1,2", *changed(SMALL, "dataset.articles=1280"))
    values = [run.data.metrics["test_accuracy"] for run in recorded_runs()]
    found = latest_results()
    (configuration,) = found.compared
    estimate = found.accuracies[configuration.key]
    assert estimate.value == pytest.approx(sum(values) / 3)
    assert estimate.low < estimate.value < estimate.high
    accuracies = found.values(configuration, "test_accuracy")
    assert accuracies == pytest.approx(sorted_by_seed(recorded_runs()))


def sorted_by_seed(runs: list[Run]) -> list[float]:
    ordered = sorted(runs, key=lambda run: run.data.tags["seed"])
    return [run.data.metrics["test_accuracy"] for run in ordered]


def test_runs_in_every_state_are_told_apart(
    rnn_bench: Command, recorded_runs: Runs, workplace: Path
) -> None:
    rnn_bench("-m", "model=majority", "seed=0,1,2,3,4", *SMALL_CORPUS)
    client = MlflowClient(f"sqlite:///{workplace / 'mlflow.db'}")
    ids = [run.info.run_id for run in recorded_runs()]
    for run_id, outcome in zip(ids, ("failed", "killed", "diverged"), strict=False):
        client.set_tag(run_id, "outcome", outcome)
    client.update_run(ids[3], status="RUNNING")
    client.set_tag(ids[3], "heartbeat", "0")
    assert report_command([]) == 0
    found = latest_results()
    assert found.sweep.states == {
        **{"failed": 1, "killed": 1, "diverged": 1},
        **{"abandoned": 1, "finished": 1},
    }
    assert (
        "5 runs in the record (1 abandoned, 1 diverged, 1 failed, 1 finished, 1 killed)"
        in report_page(workplace)
    )
    assert "majority (1 diverged)" in report_page(workplace)


def test_a_sweep_without_an_answer_has_a_report(
    rnn_bench: Command, recorded_runs: Runs, workplace: Path
) -> None:
    rnn_bench("-m", "model=majority", "seed=0,1", *SMALL_CORPUS)
    client = MlflowClient(f"sqlite:///{workplace / 'mlflow.db'}")
    for run in recorded_runs():
        client.set_tag(run.info.run_id, "outcome", "failed")
    assert report_command([]) == 0
    assert "No run of this sweep is completed yet." in report_page(workplace)


def test_who_reads_a_report_while_it_is_written_sees_the_earlier_one_whole(
    rnn_bench: Command, workplace: Path
) -> None:
    rnn_bench("-m", "model=majority", "seed=0,1", *SMALL_CORPUS)
    (folder,) = (workplace / "reports").iterdir()
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for path in files:
        path.write_text("the earlier one")
    with ExitStack() as stack:
        readers = [stack.enter_context(path.open()) for path in files]
        assert report_command([]) == 0
        assert {reader.read() for reader in readers} == {"the earlier one"}
    assert not [path for path in files if path.read_text() == "the earlier one"]
    assert sorted(path for path in folder.rglob("*") if path.is_file()) == files


def test_a_reused_sweep_has_the_same_answer(rnn_bench: Command, workplace: Path) -> None:
    sweep = ("-m", "model=rnn,majority", *TWO_EPOCHS)
    rnn_bench(*sweep)
    rnn_bench(*sweep)
    first, second = sorted((workplace / "reports").glob("*/tables/accuracy.csv"))
    assert first.read_text() == second.read_text()
    latest = max((workplace / "reports").iterdir()) / "index.html"
    assert "2 reused" in latest.read_text()


def test_what_comes_from_data_is_escaped(rnn_bench: Command, workplace: Path) -> None:
    rows = [f'sun number {n},"{NASTY if n % 2 else "plain"}"' for n in range(60)]
    (workplace / "mine.csv").write_text("\n".join(["text,label", *rows]))
    sweep = ("-m", "model=majority,tfidf", "dataset=table", "dataset.train=mine.csv")
    answered = rnn_bench(*sweep)
    assert answered.status == 0, answered.out
    html = report_page(workplace)
    assert "<script" not in html
    assert "&lt;script&gt;alert(" in html
    (folder,) = (workplace / "reports").iterdir()
    assert r"\<script\>" in (folder / "report.md").read_text()
    escaped = r"\textless{}script\textgreater{}alert('a\textbar{}b \& c\_\$\%')"
    assert escaped in (folder / "tables/confusion.tex").read_text()


def test_tuned_configurations_are_chosen_by_validation_loss_and_the_others_hidden(
    rnn_bench: Command, recorded_runs: Runs, workplace: Path
) -> None:
    rnn_bench("-m", "model=gru", "optimizer.lr=0.00001,0.01", *changed(SMALL, "protocol.epochs=6"))
    losses = {
        run.data.params["optimizer.lr"]: run.data.metrics["val_loss"] for run in recorded_runs()
    }
    found = latest_results()
    (best,) = found.compared
    assert best.label == f"gru (lr {min(losses, key=lambda lr: losses[lr])})"
    (tuning,) = (section for section in assemble_report(found).sections if section.name == "tuning")
    assert len(tuning.tables[0].rows) == 2
    assert all("accuracy" not in column for column in tuning.tables[0].columns)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--tracking-uri", "sqlite:///nowhere.db"], "There is no MLflow store"),
        (["--sweep", "2026"], "The record has no sweep 2026."),
        *(
            (["--sweep", sweep], "The record has no sweep")
            for sweep in ('a" LIKE "%" OR tags."x', "a'b", "a`b", "a\\", "%", "", "a\nb", "a b;")
        ),
        ([], "There is no sweep in the record yet."),
        (["--experiment-name", "other"], "has no experiment other."),
    ],
)
def test_what_cannot_be_reported_is_said(
    arguments: list[str], says: str, workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    open_store(Tracking())
    assert report_command(arguments) == 2
    assert says in capsys.readouterr().err


def test_a_report_folder_that_cannot_be_written_is_named(
    rnn_bench: Command, workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workplace / "reports").write_text("")
    answered = rnn_bench("-m", "model=majority", *SMALL_CORPUS)
    assert answered.status == 0
    assert "There is no report: UsageError: reports/" in answered.out
    assert report_command([]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_metrics_of_test_articles_come_from_the_stored_predictions(
    rnn_bench: Command, recorded_runs: Runs, workplace: Path
) -> None:
    rnn_bench("-m", "model=tfidf", *SMALL_CORPUS)
    client = MlflowClient(f"sqlite:///{workplace / 'mlflow.db'}")
    (run,) = recorded_runs()
    metrics = run.data.metrics
    for name in ("test_accuracy", "test_macro_f1", "test_loss", "train_seconds"):
        client.log_metric(run.info.run_id, name, 0.125)
    found = latest_results()
    (recorded,) = found.sweep.runs
    for name in ("test_accuracy", "test_macro_f1", "test_loss"):
        assert found.metric(recorded, name) == pytest.approx(metrics[name])
    assert found.metric(recorded, "train_seconds") == 0.125


def test_each_class_has_its_precision_recall_and_f1(
    rnn_bench: Command, recorded_runs: Runs, workplace: Path
) -> None:
    rnn_bench("-m", "model=tfidf,majority", *SMALL_CORPUS)
    tables = {table.name: table for table in assemble_report(latest_results()).tables}
    columns = [*tables["classes"].columns]
    for row in tables["classes"].rows:
        shown = dict(zip(columns, row, strict=True))
        run = next(each for each in recorded_runs() if each.data.tags["model"] == shown["model"])
        for name, column in (("precision", "precision"), ("recall", "recall"), ("f1", "F1")):
            recorded = run.data.metrics[f"test_{name}/{shown['class']}"]
            assert shown[column].startswith(f"{recorded:.4f}")
    assert [row[2] for row in tables["classes"].rows] == ["fake", "real"] * 2
    assert "test_f1" not in columns
    assert "F1" not in tables["accuracy"].columns

"""The report that a sweep ends with."""

import json
import re
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import mean
from xml.etree import ElementTree

import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from rnn_bench.config.tracking import Tracking
from rnn_bench.report.__main__ import main as report_command
from rnn_bench.report.analysis import Results
from rnn_bench.report.assembly import assemble_report
from rnn_bench.report.conclusions import explain_numbers, write_conclusions
from rnn_bench.tracking.store import open_existing, open_store
from rnn_bench.tracking.sweeps import read_sweep
from tests.conftest import PLAIN, SMALL, SMALL_CORPUS, Command, changed

Runs = Callable[[], list[Run]]
pytestmark = pytest.mark.usefixtures("reported")

TWO_EPOCHS = (*SMALL_CORPUS, "protocol.epochs=2")
NASTY = "<script>alert('a|b & c_$%')</script>"


def results(workplace: Path) -> Results:
    client, experiment = open_existing(None, "rnn-bench")
    (folder,) = (workplace / "reports").iterdir()
    return Results(read_sweep(client, experiment, folder.name))


def page(workplace: Path) -> str:
    (found,) = (workplace / "reports").glob("*/index.html")
    return found.read_text(encoding="utf-8")


@pytest.mark.usefixtures("audited")
def test_a_sweep_ends_with_a_report_that_needs_no_other_file(
    rnn_bench: Command, workplace: Path
) -> None:
    answered = rnn_bench("-m", "model=rnn,gru,majority", "seed=0,1", *TWO_EPOCHS)
    assert answered.status == 0, answered.out
    (folder,) = (workplace / "reports").iterdir()
    assert f"Report: reports/{folder.name}/index.html" in answered.out
    html = page(workplace)
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
    assert f"The best possible accuracy on demo is {best:.4f}: the other labels are noise." in page(
        workplace
    )
    client = MlflowClient(f"sqlite:///{workplace / 'mlflow.db'}")
    client.set_tag(run.info.run_id, "best_possible_accuracy", "damaged")
    assert report_command([]) == 0
    assert "best possible" not in page(workplace)


def test_the_figures_are_those_of_the_record(
    rnn_bench: Command, recorded_runs: Runs, workplace: Path
) -> None:
    rnn_bench("-m", "model=rnn", "seed=0,1,2", *changed(SMALL, "dataset.articles=1280"))
    values = [run.data.metrics["test_accuracy"] for run in recorded_runs()]
    found = results(workplace)
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
    found = results(workplace)
    assert found.sweep.states == {
        **{"failed": 1, "killed": 1, "diverged": 1},
        **{"abandoned": 1, "finished": 1},
    }
    assert "5 runs in the record (1 abandoned, 1 diverged, 1 failed, 1 finished, 1 killed)" in page(
        workplace
    )
    assert "majority (1 diverged)" in page(workplace)


def test_a_sweep_without_an_answer_has_a_report(
    rnn_bench: Command, recorded_runs: Runs, workplace: Path
) -> None:
    rnn_bench("-m", "model=majority", "seed=0,1", *SMALL_CORPUS)
    client = MlflowClient(f"sqlite:///{workplace / 'mlflow.db'}")
    for run in recorded_runs():
        client.set_tag(run.info.run_id, "outcome", "failed")
    assert report_command([]) == 0
    assert "No run of this sweep is completed yet." in page(workplace)


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
    html = page(workplace)
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
    found = results(workplace)
    (best,) = found.compared
    assert best.label == f"gru (lr {min(losses, key=lambda lr: losses[lr])})"
    (tuning,) = (section for section in assemble_report(found).sections if section.name == "tuning")
    assert len(tuning.tables[0].rows) == 2
    assert all("accuracy" not in column for column in tuning.tables[0].columns)


def test_fewer_than_three_seeds_rank_nothing(rnn_bench: Command, workplace: Path) -> None:
    answered = rnn_bench("-m", "model=rnn,gru", "seed=0,1", *SMALL)
    found = results(workplace)
    (paragraph,) = write_conclusions(found)
    assert "With fewer than 3 seeds this compares trained models and ranks no " in paragraph
    assert paragraph in answered.out.replace("\n", " ")
    assert " is better " not in paragraph
    assert "is the best" not in paragraph
    assert len(found.best("demo")) == 2
    assert "Where a model has fewer than 3 seeds, trained models are compared" in page(workplace)


@pytest.mark.parametrize("folds", [(), ("dataset.folds=3", "dataset.fold=0,1,2")])
def test_the_answer_names_every_model_that_may_be_the_best(
    folds: tuple[str, ...], rnn_bench: Command, workplace: Path
) -> None:
    seeds = () if folds else ("seed=0,1,2",)
    answered = rnn_bench("-m", "model=rnn,tfidf,majority", *seeds, *folds, *TWO_EPOCHS)
    found = results(workplace)
    (corpus,) = found.corpora
    assert corpus == "demo"
    best = found.best(corpus)
    assert best[0] == found.on(corpus)[0]
    (paragraph,) = write_conclusions(found)
    first = paragraph.partition(".  ")[0]
    for each in best:
        estimate = found.primary[each.key]
        assert estimate.has_interval
        assert estimate.over == ("3 splits" if folds else each_over(each.model))
        assert f"{each.label} {estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})" in (
            first.replace(" is the best of 3 models: test accuracy", "")
        )
    shown = f"{found.primary[best[0].key].low:.4f} to {found.primary[best[0].key].high:.4f}"
    assert shown in answered.out
    assert shown in page(workplace)
    (folder,) = (workplace / "reports").iterdir()
    assert shown in (folder / "tables/accuracy.tex").read_text()
    assert "chance 0.5" in paragraph
    for pair in found.comparisons[corpus]:
        assert pair.method == ("splits" if folds else pair.method)


def each_over(model: str) -> str:
    return "3 seeds and 96 articles" if model == "rnn" else "96 articles"


def test_the_margin_of_equivalence_is_the_sweep_s(rnn_bench: Command, workplace: Path) -> None:
    rnn_bench("-m", "model=rnn,gru", "seed=0,1,2", "report.margin=0.9", *SMALL)
    found = results(workplace)
    ((pair,),) = found.comparisons.values()
    assert pair.margin == 0.9
    assert pair.relation("gru") == "is equivalent to"
    assert "they are equivalent within 0.9" in write_conclusions(found)[0]
    assert rnn_bench("-m", "model=rnn,gru", "report.margin=0", *SMALL).status == 2


def test_protocols_are_not_compared_with_each_other(rnn_bench: Command, workplace: Path) -> None:
    rnn_bench("-m", "model=rnn,gru", "protocol=fair,notebook", *SMALL)
    found = results(workplace)
    assert found.corpora == ["demo (protocol fair)", "demo (protocol notebook)"]
    assert all(len(pairs) == 1 for pairs in found.comparisons.values())


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("rnn", "With fewer than 3 seeds this compares trained models and ranks no architectures."),
        ("majority", "With fewer than 3 seeds this"),
    ],
)
def test_settings_that_vary_beside_a_protocol_are_not_lumped(
    model: str, says: str, rnn_bench: Command, workplace: Path
) -> None:
    varied = ("protocol=fair,notebook", "protocol.max_length=8,12")
    rnn_bench("-m", f"model={model}", *varied, *TWO_EPOCHS)
    found = results(workplace)
    assert len(found.corpora) == 4
    assert found.comparisons == {}
    paragraph, *_ = write_conclusions(found)
    assert paragraph.startswith(says)


def test_articles_that_changed_between_runs_are_another_corpus(
    rnn_bench: Command, recorded_runs: Runs, workplace: Path
) -> None:
    sweep = ("-m", "model=majority,tfidf", "dataset=table", "dataset.train=mine.csv")
    for count in (60, 80):
        rows = [f"sun number {n},{n % 2}" for n in range(count)]
        (workplace / "mine.csv").write_text("\n".join(["text,label", *rows]))
        rnn_bench(*sweep)
    client = MlflowClient(f"sqlite:///{workplace / 'mlflow.db'}")
    for run in recorded_runs():
        client.set_tag(run.info.run_id, "sweep.both", "trained")
    found = Results(read_sweep(client, "1", "both"))
    assert len(found.corpora) == 2
    assert all(re.fullmatch(r"mine \([0-9a-f]{6}\)", corpus) for corpus in found.corpora)
    assert len(found.comparisons) == 2


def test_distances_of_the_cue_are_one_curve_a_model(rnn_bench: Command, workplace: Path) -> None:
    distances = ("dataset.cue_distance=2,8", "evaluation.gradient_flow=true")
    small = [line for line in changed(SMALL, "dataset.length=16") if "cue_distance" not in line]
    rnn_bench("-m", "model=rnn,gru", *distances, *small)
    (folder,) = (workplace / "reports").iterdir()
    table = pd.read_csv(folder / "tables/distance.csv")
    assert list(table.columns) == ["model", "2 words", "8 words"]
    assert {*table["model"]} == {"rnn", "gru"}
    for figure in ("distance", "gradients-1"):
        assert (folder / f"figures/{figure}.svg").is_file()
    reached, answer = write_conclusions(results(workplace))
    assert reached.startswith(
        "Words between the cue and the end with which a model finds the cue: "
    )
    assert "on demo (cue_distance 8), " in answer.lower()


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


def test_a_user_s_own_baseline_is_not_called_a_network(
    rnn_bench: Command, recorded_runs: Runs, workplace: Path
) -> None:
    rnn_bench("-m", "model=majority,tfidf", *SMALL_CORPUS)
    client = MlflowClient(f"sqlite:///{workplace / 'mlflow.db'}")
    best = max(recorded_runs(), key=lambda run: run.data.metrics["test_accuracy"])
    for name, value in {"model": "mine", "kind": "baseline", "kernel": "torch"}.items():
        client.set_tag(best.info.run_id, name, value)
    found = results(workplace)
    paragraph, *_ = write_conclusions(found)
    assert paragraph.startswith("On demo, ")
    assert "mine" in paragraph
    assert "network" not in paragraph
    client.set_tag(best.info.run_id, "kind", "network")
    paragraph, *_ = write_conclusions(results(workplace))
    assert "the trained mine has the highest test accuracy of 2 models" in paragraph


def test_accuracy_and_macro_f1_come_from_the_stored_predictions(
    rnn_bench: Command, recorded_runs: Runs, workplace: Path
) -> None:
    rnn_bench("-m", "model=tfidf", *SMALL_CORPUS)
    client = MlflowClient(f"sqlite:///{workplace / 'mlflow.db'}")
    (run,) = recorded_runs()
    metrics = run.data.metrics
    for name in ("test_accuracy", "test_macro_f1", "test_loss"):
        client.log_metric(run.info.run_id, name, 0.125)
    found = results(workplace)
    (recorded,) = found.sweep.runs
    for name in ("test_accuracy", "test_macro_f1"):
        assert found.metric(recorded, name) == pytest.approx(metrics[name])
    assert found.metric(recorded, "test_loss") == 0.125


def test_transfer_and_published_accuracies_have_sections(
    rnn_bench: Command, recorded_runs: Runs, workplace: Path
) -> None:
    rnn_bench("-m", "model=majority", "seed=0,1,2", *SMALL_CORPUS)
    client = MlflowClient(f"sqlite:///{workplace / 'mlflow.db'}")
    published = [{"model": "gru", "accuracy": 0.9944, "source": "a notebook", "same_recipe": True}]
    tags = {"dataset": "isot", "model": "gru", "protocol": "notebook", "data_edition": "published"}
    tags["published"] = json.dumps(published)
    for run, accuracy in zip(recorded_runs(), (0.6, 0.65, 0.7), strict=True):
        for name, value in tags.items():
            client.set_tag(run.info.run_id, name, value)
        client.log_metric(run.info.run_id, "test_accuracy_batch_mean", 0.89 + accuracy / 5 - 0.12)
        client.log_metric(run.info.run_id, "transfer/kaggle/accuracy", accuracy)
        client.log_metric(run.info.run_id, "transfer/kaggle/unknown_share", 0.25)
    tables = {table.name: table for table in assemble_report(results(workplace)).tables}
    assert [*tables["transfer"].columns[-2:]] == ["tested on kaggle", "seeds"]
    assert tables["transfer"].rows[0][-2] == "0.6500 (0.5258 to 0.7742)"
    assert tables["unknown"].rows[0][-2:] == ("25.0%", "3")
    row = tables["published"].rows[0]
    assert row[1:5] == ("gru", "a notebook", "gru", "0.9944")
    assert row[5:8] == ("0.9000", "0.8752 to 0.9248", "3 seeds")
    assert row[8].startswith("-0.0944, beyond the spreads (0.")
    for run in recorded_runs():
        client.set_tag(run.info.run_id, "data_edition", "sample")
    found = results(workplace)
    tables = {table.name: table for table in assemble_report(found).tables}
    assert tables["published"].rows[0][-1].startswith("not comparable: these articles are a sample")
    assert "The articles of isot are a sample of the published ones." in explain_numbers(found)


def test_the_folds_of_a_corpus_are_one_accuracy_beside_the_published_one(
    rnn_bench: Command, recorded_runs: Runs, workplace: Path
) -> None:
    folds = ("dataset.folds=3", "dataset.fold=0,1,2")
    rnn_bench("-m", "model=tfidf,majority", *folds, *SMALL_CORPUS)
    client = MlflowClient(f"sqlite:///{workplace / 'mlflow.db'}")
    published = [
        {"model": "majority", "accuracy": 0.99, "source": "a paper"},
        {"model": "CNN", "accuracy": 0.9, "source": "another"},
        {"model": "tfidf", "accuracy": 0.8, "source": "a third", "train_size": 0.1},
        {"model": "tfidf", "accuracy": 0.99, "source": "a fourth", "spread": 0.9},
    ]
    for run in recorded_runs():
        client.set_tag(run.info.run_id, "published", json.dumps(published))
        client.set_tag(run.info.run_id, "data_edition", "published")
    runs = recorded_runs()
    tables = {table.name: table for table in assemble_report(results(workplace)).tables}
    rows = {row[1]: row for row in tables["published"].rows}
    assert [*rows] == ["majority", "tfidf"]  # no network, and another size of training
    for model, row in rows.items():
        of_folds = [run.data.metrics for run in runs if run.data.tags["model"] == model]
        accuracy = sum(metrics["test_accuracy"] for metrics in of_folds) / len(of_folds)
        assert row[5] == f"{accuracy:.4f}"  # the folds have 64 articles each
        assert row[7] == "3 splits"
    assert "beyond the spreads" in rows["majority"][-1]
    assert "within the spreads" in rows["tfidf"][-1]


def test_each_class_has_its_precision_recall_and_f1(
    rnn_bench: Command, recorded_runs: Runs, workplace: Path
) -> None:
    rnn_bench("-m", "model=tfidf,majority", *SMALL_CORPUS)
    tables = {table.name: table for table in assemble_report(results(workplace)).tables}
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


@pytest.mark.parametrize(
    ("primary", "words"),
    [("test_macro_f1", "test macro F1"), ("test_recall/fake", "test recall of fake")],
)
def test_the_primary_metric_ranks_the_table_and_the_answer(
    primary: str, words: str, rnn_bench: Command, recorded_runs: Runs, workplace: Path
) -> None:
    answer = rnn_bench(
        *("-m", "model=rnn,gru,tfidf,majority", "seed=0,1", *TWO_EPOCHS, *PLAIN[:-1]),
        f"primary_metric={primary}",
    )
    assert answer.status == 0, answer.out
    assert words in answer.out
    assert "test accuracy  chance" not in answer.out
    found = results(workplace)
    paragraph, *_ = write_conclusions(found)
    means = {
        model: mean(
            run.data.metrics[primary] for run in recorded_runs() if run.data.tags["model"] == model
        )
        for model in ("rnn", "gru", "tfidf", "majority")
    }
    best = max(means, key=means.__getitem__)
    assert f"the trained {best} has the highest {words} of 4 models: {means[best]:.3f}" in paragraph
    assert words in explain_numbers(found)
    again = rnn_bench("-m", "model=tfidf", "seed=0", *TWO_EPOCHS, *PLAIN[:-1])
    assert "1 reused" in again.out or "reused: run" in again.out


def test_a_primary_metric_that_a_corpus_has_not_is_refused_before_training(
    rnn_bench: Command, recorded_runs: Runs
) -> None:
    answer = rnn_bench("model=majority", *SMALL_CORPUS, "primary_metric=test_f1/spam")
    assert answer.status == 2
    assert "primary_metric=test_f1/spam is not a metric of demo: " in answer.err
    assert "test_f1/fake" in answer.err
    assert recorded_runs() == []

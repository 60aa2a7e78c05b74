"""Names in a report are text: no program takes them for markup, rows, formulas or commands."""

import csv
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from markdown_it import MarkdownIt
from mlflow import MlflowClient
from mlflow.entities import Run

from rnn_bench.evaluation.predictions import read_predictions
from rnn_bench.report.__main__ import main as report_command
from rnn_bench.report.contents import Link, Report, Section, Table
from rnn_bench.report.drawing import Figure
from rnn_bench.report.files import write_report
from rnn_bench.tracking.artifacts import write_predictions
from tests.conftest import SMALL_CORPUS, Command
from tests.test_run import artifacts

HOSTILE = [
    "<svg onload=alert(1)>",
    "[click](javascript:alert(1))",
    "two\nlines\r\nand | a bar",
    "`code` *bold* __init__ &lt;b&gt; ~~no~~ $x$",
]
MARKUP = "<svg onload=alert(1)>\n\n# a | ![x](http://x) `b` *c* _d_ &lt;"


def written(name: str, folder: Path) -> Path:
    table = Table("runs", name, ["model", "accuracy"], [[name, "+0.5"], [Link(name, "a b"), "-1"]])
    figure = Figure("bars", name, name, "<svg></svg>", "<svg></svg>")
    section = Section("runs", name, text=[name], tables=[table], figures=[figure])
    write_report(Report(name, name, [name], name, [section], command=f"x ``` {name}"), folder)
    return folder


@pytest.mark.parametrize("name", HOSTILE)
def test_markdown_shows_names_as_they_are(name: str, tmp_path: Path) -> None:
    text = (written(name, tmp_path) / "report.md").read_text()
    prose, _, command = text.partition("\n````\n")
    assert command.startswith("x ``` ")
    for markup in ("<svg", "[click](", " *bold", " `code", "&lt;"):
        assert markup not in prose.replace("\\" + markup, "").replace("&\\", "")
    lines = prose.splitlines()
    rows = [line for line in lines if line.startswith("| ")]
    assert len(rows) == 4, "a heading, its rule and two rows"
    for row in rows:
        assert row.replace("\\|", "").count("|") == 3


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("+1+cmd|'/c calc'!A1", "'+1+cmd|'/c calc'!A1"),
        ("-2+3", "'-2+3"),
        ("\t=1", "'\t=1"),
        ("-0.0944", "-0.0944"),
        ("+0.0123 to +0.0456", "+0.0123 to +0.0456"),
        ("a carriage\rreturn", "a carriage\rreturn"),
    ],
)
def test_spreadsheets_compute_no_name(name: str, cell: str, tmp_path: Path) -> None:
    with (written(name, tmp_path) / "tables" / "runs.csv").open(newline="") as file:
        rows = [*csv.reader(file)]
    assert rows[1] == [cell, "+0.5"]
    assert len(rows) == 3


def test_latex_has_no_command_from_a_name(tmp_path: Path) -> None:
    text = (written(r"\input{x} 50 % a\nb & c", tmp_path) / "tables" / "runs.tex").read_text()
    assert r"\input" not in text
    assert r"\textbackslash{}input\{x\} 50 \% a" in text


@pytest.mark.parametrize("name", ["a\rb", "a\nb", "a\r\nb", '"quoted, twice"', "=1", "real\0"])
def test_predictions_of_any_class_name_are_read_as_they_were_written(
    name: str, tmp_path: Path
) -> None:
    path, classes = tmp_path / "test_predictions.csv", ("real", name)
    shares = torch.tensor([[0.25, 0.75], [0.5, 0.5], [1.0, 0.0]])
    write_predictions(path, classes, torch.tensor([1, 0, 1]), shares)
    found = read_predictions(path)
    assert found.classes == classes
    assert (found.labels.tolist(), found.predictions.tolist()) == ([1, 0, 1], [1, 0, 0])
    assert found.probabilities.tolist() == shares.tolist()


@pytest.mark.usefixtures("reported")
def test_a_label_with_a_carriage_return_keeps_its_predictions_and_its_report(
    rnn_bench: Command, recorded_runs: Callable[[], list[Run]], workplace: Path
) -> None:
    labels = ("fa\rke", "real")
    rows = [f'sun number {n},"{labels[n % 2]}"' for n in range(60)]
    (workplace / "mine.csv").write_text("\n".join(["text,label", *rows]), newline="")
    answered = rnn_bench("-m", "model=tfidf", "dataset=table", "dataset.train=mine.csv")
    assert answered.status == 0, answered.out
    (folder,) = (workplace / "reports").iterdir()
    assert "cannot be read" not in (folder / "index.html").read_text(encoding="utf-8")
    with (folder / "tables/confusion.csv").open(newline="", encoding="utf-8") as file:
        assert {row[2] for row in csv.reader(file)} == {"label", *labels}
    (run,) = recorded_runs()
    found = read_predictions(artifacts(run) / "test_predictions.csv")
    assert set(found.classes) == {*labels}


@pytest.mark.usefixtures("reported")
def test_names_are_no_html_in_any_sentence_title_or_image_of_the_markdown(
    rnn_bench: Command, recorded_runs: Callable[[], list[Run]], workplace: Path
) -> None:
    assert rnn_bench("-m", "model=gru,majority", "protocol.epochs=1", *SMALL_CORPUS).status == 0
    client = MlflowClient(f"sqlite:///{workplace / 'mlflow.db'}")
    for run in recorded_runs():
        for tag in ("dataset", "model"):
            client.set_tag(run.info.run_id, tag, f"{run.data.tags[tag]} {MARKUP}")
        client.update_run(run.info.run_id, name=MARKUP)
    assert report_command(["--out", "page"]) == 0
    pages = [Path("page/report.md"), *Path("page/tables").glob("*.md")]
    assert len(pages) > 4
    reader = MarkdownIt("commonmark", {"html": True}).enable("table")
    for page in pages:
        text = page.read_text(encoding="utf-8")
        shown = reader.render(text)
        assert "<svg" not in shown
        assert "http://x" not in re.findall(r'(?:src|href)="([^"]*)"', shown)
        columns = [
            len(re.findall(r"<t[hd]", row)) for row in re.findall(r"<tr>.*?</tr>", shown, re.S)
        ]
        assert shown.count("<h1>") == (page.name == "report.md")
        assert columns
    html = Path("page/index.html").read_text(encoding="utf-8")
    assert "<svg onload" not in html

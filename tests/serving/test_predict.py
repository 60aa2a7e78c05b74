"""The predict command."""

import io
import json
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from mlflow import MlflowClient
from rich.cells import cell_len
from safetensors.torch import load_file, save_file

from rnn_bench.serving.outputs import format_table
from tests.conftest import Command
from tests.serving.conftest import CSV, TINY, Trained, model_of

SWEEPS = (("model=gru", *CSV, *TINY),)


def given(content: bytes, patch: pytest.MonkeyPatch) -> None:
    """Standard input is a pipe with this content."""
    patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


@pytest.fixture
def gru(there: Trained) -> str:
    return str(there.run(model="gru").info.run_id)


def test_texts_get_a_table_and_the_same_as_json_lines(gru: str, serving: Command) -> None:
    texts = ("The SUN, warm; and", "Rain? cold 'wind'")
    shown, lines = serving("predict", gru, *texts), serving("predict", gru, "--json", *texts)
    assert (shown.status, shown.err, lines.status, lines.err) == (0, "", 0, "")
    head, *rows = shown.out.splitlines()
    assert head.split() == ["label", "fair", "foul", "text"]
    for row, line, text in zip(rows, lines.out.splitlines(), texts, strict=True):
        answer = json.loads(line)
        label, fair, foul, *_ = row.split()
        assert (answer["label"], row.endswith(text)) == (label, True)
        shares = answer["probabilities"]
        assert {fair, foul} == {f"{share:.4f}" for share in shares.values()}
        assert max(shares, key=shares.__getitem__) == label
        assert sum(shares.values()) == pytest.approx(1)


def test_lines_of_standard_input_and_a_csv_file_are_the_same_texts(
    gru: str, serving: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = ["The SUN", "", "wet \u2028 sky"]
    pd.DataFrame({"title": texts, "n": 1}).to_csv("articles.csv", index=False)
    pd.DataFrame({"text": texts}).to_csv("plain.csv", index=False)
    answers = [serving("predict", gru, "--json", *texts)]
    for more in (["-"], []):
        given("\r\n".join([*texts, ""]).encode(), monkeypatch)
        answers.append(serving("predict", gru, "--json", *more))
    titles = ("--csv", "articles.csv", "--text-column", "title")
    answers.append(serving("predict", gru, "--json", *titles))
    answers.append(serving("predict", "--csv", "plain.csv", gru, "--json"))
    assert all(answer == answers[0] for answer in answers)
    assert len(answers[0].out.splitlines()) == 3


def test_a_file_to_predict_may_be_of_any_kind_that_a_table_is(gru: str, serving: Command) -> None:
    table = pd.DataFrame({"text": ["The SUN; warm", "wet, sky"], "n": 1})
    table.to_csv("a.tsv", sep="\t", index=False)
    table.to_csv("a.csv", sep=";", index=False, encoding="utf-16")
    table.to_json("a.jsonl.gz", orient="records", lines=True)
    table.to_parquet("a.parquet")
    expected = serving("predict", gru, "--json", *table["text"])
    for name in ("a.tsv", "a.csv", "a.jsonl.gz", "a.parquet"):
        assert serving("predict", gru, "--json", "--csv", name) == expected


def test_two_columns_are_joined_by_a_space(gru: str, serving: Command) -> None:
    pd.DataFrame({"a": ["warm"], "b": ["Rain? cold"]}).to_csv("two.csv", index=False)
    columns = ("--text-column", "a", "--text-column", "b")
    joined = serving("predict", gru, "--json", "--csv", "two.csv", *columns)
    assert joined.out == serving("predict", gru, "--json", "warm Rain? cold").out


def test_a_model_is_named_by_run_uri_version_alias_or_folder(
    gru: str, there: Trained, serving: Command
) -> None:
    run = there.run(model="gru")
    there.client.create_registered_model("weather")
    there.client.create_model_version("weather", f"{run.info.artifact_uri}/model", gru)
    there.client.set_registered_model_alias("weather", "best", "1")
    names = (f"runs:/{gru}/model", "models:/weather/1", "models:/weather@best", str(model_of(run)))
    by_run = serving("predict", gru, "--json", "wet sky")
    assert by_run.status == 0
    for name in names:
        assert serving("predict", name, "--json", "wet sky") == by_run
    elsewhere = ("--tracking-uri", f"sqlite:///{there.folder / 'mlflow.db'}")
    assert serving("predict", gru, "--json", "wet sky", *elsewhere) == by_run


def test_nothing_in_a_text_breaks_the_table(
    gru: str, serving: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    texts = (
        "one\ntwo\tthree",
        "\u6f22\u5b57" * 40,
        "\x1b[31mred\x1b[0m \u202e",
        "a" * 10**6,
        "\U0001f600" * 50,
        "[red]not markup[/red]",
        "[/] :smile: a [link",
    )
    answer = serving("predict", gru, *texts)
    lines = answer.out.splitlines()
    assert len(lines) == 1 + len(texts)
    assert max(map(cell_len, lines)) <= 60
    assert len({line.index("0.") for line in lines[1:]}) == 1
    assert not {"\x1b", "\t", "\u202e"} & {*answer.out}
    assert [line[-1] for line in lines[2:6]] == ["\u2026", "m", "\u2026", "\u2026"]
    assert lines[-2].endswith("  [red]not markup[/red]")
    assert lines[-1].endswith("  [/] :smile: a [link")


def test_labels_and_probabilities_are_never_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    classes = [f"[class] {number}" for number in range(9)]
    head, row = format_table(classes[:1], [[0.125] * 9], classes, ["text " * 100])
    assert head == "  ".join(["label".ljust(9), *classes, "text"])
    assert row.startswith("[class] 0  0.1250     0.1250 ")
    assert row.count("0.1250") == 9
    assert row.endswith("  text text text text\u2026")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nonsense", "a"), "Run with id=nonsense not found"),
        (("runs:/nonsense/model", "a"), "nonsense"),
        (("models:/nonsense/1", "a"), "nonsense"),
        (("models:/nonsense@champion", "a"), "nonsense"),
        (
            ("file:///etc", "a"),
            "file:///etc is not a model URI: it must begin with runs:/ or models:/",
        ),
        (("http://127.0.0.1:9/x", "a"), "is not a model URI"),
        ((".", "a"), ". is not the model of a run: it has no file config.json."),
        (("GRU", "a", "--tracking-uri", "sqlite:///none.db"), "There is no MLflow store"),
        (("GRU", "--csv", "test.csv", "--text-column", "body"), "Its columns: 'text', 'label'."),
        (("GRU", "--csv", "none.csv"), "none.csv does not exist."),
        (("GRU", "--csv", "latin.csv"), "latin.csv is not UTF-8"),
        (("GRU", "--csv", "latin.csv"), "no such keys here: save the file as UTF-8"),
        (("GRU", "--csv", "empty.csv"), "empty.csv is empty."),
        (("GRU", "--csv", "test.csv", "a"), "Give texts or --csv, not both."),
        (("GRU", "a", "--text-column", "body"), "give both"),
        (("GRU", "\udcff"), "Text 1 on the command line is not UTF-8."),
    ],
)
def test_what_cannot_be_predicted_is_refused_in_a_few_lines(
    arguments: tuple[str, ...], says: str, gru: str, serving: Command
) -> None:
    Path("latin.csv").write_bytes(b"text\n\xfcber\n")
    Path("empty.csv").write_bytes(b"")
    answer = serving("predict", *(gru if each == "GRU" else each for each in arguments))
    assert (answer.status, answer.out) == (2, "")
    assert says in answer.err
    assert len(answer.err.splitlines()) <= 6
    assert "Traceback" not in answer.err


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "standard input is empty"), (b"a\nb \xff\n", "Line 2 of standard input is not UTF-8")],
)
def test_standard_input_must_be_text(
    content: bytes, says: str, gru: str, serving: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    given(content, monkeypatch)
    answer = serving("predict", gru)
    assert (answer.status, says in answer.err) == (2, True)


def test_a_run_that_left_no_model_says_why(there: Trained, serving: Command) -> None:
    client: MlflowClient = there.client
    experiment = there.runs[0].info.experiment_id
    states = {"FAILED": "it is failed", "FINISHED": "no model in the record", "RUNNING": "training"}
    for status, says in states.items():
        run_id = client.create_run(experiment, run_name="broken").info.run_id
        client.set_tag(run_id, "outcome", status.lower())
        client.update_run(run_id, status=status)
        answer = serving("predict", run_id, "a")
        assert answer.status == 2
        assert says in answer.err
        client.delete_run(run_id)


def test_a_diverged_model_has_no_probabilities(
    there: Trained, serving: Command, tmp_path: Path
) -> None:
    folder = tmp_path / "diverged"
    folder.mkdir()
    for path in model_of(there.run(model="gru")).iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    weights = load_file(folder / "weights.safetensors")
    weights["output.bias"][:] = torch.nan
    save_file(weights, folder / "weights.safetensors")
    (line,) = serving("predict", str(folder), "--json", "a").out.splitlines()
    assert json.loads(line)["probabilities"] == {"fair": None, "foul": None}
    assert "nan" in serving("predict", str(folder), "a").out

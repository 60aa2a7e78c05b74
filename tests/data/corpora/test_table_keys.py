"""The keys of a table, and the command line that gives them."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from rnn_bench.command_line import main
from rnn_bench.config.schema import Config
from rnn_bench.data.cache import configured_corpus
from tests.data.tables import class_folders, lines, read, refusal, separated, texts_and_classes


def test_several_columns_are_one_text(tmp_path: Path) -> None:
    rows = "".join(f"Title {i},,Text {i},{i % 2}\n" for i in range(8))
    (tmp_path / "a.csv").write_text(f"title,empty,text,label\n{rows}")
    articles = read(tmp_path / "a.csv", text_columns=["title", "empty", "text"])
    assert "Title 3  Text 3" in articles.train[0] + articles.test[0]
    message = refusal(tmp_path / "a.csv", text_columns=["title", "body"])
    assert "Name another with dataset.text_columns=..." in message


def test_a_validation_file_is_the_validation_split(tmp_path: Path) -> None:
    for name in ("train.csv", "validation.tsv", "test.jsonl"):
        rows = pd.DataFrame([(f"{name} {i}", i % 2, f"day {i}") for i in range(6)])
        rows.columns = ["text", "label", "date"]
        if name == "test.jsonl":
            rows.to_json(tmp_path / name, orient="records", lines=True)
        else:
            rows.to_csv(tmp_path / name, index=False, sep="\t" if "tsv" in name else ",")
    others = {name.split(".")[0]: str(tmp_path / name) for name in ("validation.tsv", "test.jsonl")}
    articles = read(tmp_path / "train.csv", **others)
    assert articles.validation is not None
    splits = (articles.train, articles.validation, articles.test)
    assert [texts[0].split(".")[0] for texts, _ in splits] == ["train", "validation", "test"]
    dates = articles.columns()["date"]
    assert [len(values) for values in dates] == [12, 6]


def test_classes_are_named_in_the_order_that_is_given(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\n" + "a,1\nb,0.0\n" * 8)
    articles = read(tmp_path / "a.csv", labels={1: "real", 0: "fake"})
    assert articles.classes == ("real", "fake")
    assert {*texts_and_classes(articles)} == {("a", "real"), ("b", "fake")}
    message = refusal(tmp_path / "a.csv", labels={1: "real"})
    assert "has the label '0.0', which dataset.labels lacks" in message
    assert "Name its class there too: 0.0: ..." in message


def test_duplicates_are_dropped_so_that_no_test_text_is_trained_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = {
        "train": ["a,1", "A,0", "b,0", "v,1", "t,0", "c,1"],
        "validation": ["v,1", "v,1", "t,1", "w,0"],
        "test": ["t,1", "t,0", "u,0"],
    }
    for split, rows in files.items():
        (tmp_path / f"{split}.csv").write_text("\n".join(["text,label", *rows]))
    others = {split: str(tmp_path / f"{split}.csv") for split in ("validation", "test")}
    keys = {"cleaning": "lower", **others}
    assert read(tmp_path / "train.csv", **keys).left_out == ""
    articles = read(tmp_path / "train.csv", drop_duplicates=True, **keys)
    assert articles.train == (["a", "b", "c"], [1, 0, 1])
    assert articles.validation == (["v", "w"], [1, 0])
    assert articles.test == (["t", "u"], [1, 0])
    assert articles.left_out == (
        "3 duplicates among 6 texts of train.csv and 2 duplicates among 4 texts of validation.csv "
        "and 1 duplicates among 3 texts of test.csv"
    )
    assert "2 of the texts that are there twice have different labels" in caplog.text


def test_one_file_loses_its_duplicates_before_it_is_split(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "text,label\n" + "".join(f"t{i % 20},{i % 2}\n" for i in range(60))
    )
    articles = read(tmp_path / "a.csv", drop_duplicates=True)
    assert sorted(articles.train[0] + articles.test[0]) == sorted(f"t{i}" for i in range(20))
    assert articles.left_out == "40 duplicates among 60 texts of a.csv"


def test_keys_of_a_table_are_read_from_the_command_line(
    tmp_path: Path, configured: Callable[..., Config]
) -> None:
    (tmp_path / "a.txt").write_text("".join(f"{i % 2};T{i};text {i}\n" for i in range(24)))
    config = configured(
        *("dataset=table", f"dataset.train={tmp_path / 'a.txt'}", "dataset.separator=semicolon"),
        *("dataset.header=false", "dataset.text_columns=[1,2]", "dataset.label_column=0"),
        "++dataset.labels={0: real, 1: fake}",
    )
    articles = configured_corpus(config).articles
    assert articles.classes == ("real", "fake")
    assert "t3 text 3" in articles.train[0] + articles.test[0]


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        (["dataset=csv", "dataset.train=a.csv"], "it is called dataset=table"),
        (["dataset=table", "dataset.train=a.tsv"], "dataset.header=false dataset.text_column=1"),
        (["dataset=table", "dataset.train=a.tsv", "dataset.header=false"], "columns by name"),
        (["dataset=table", "dataset.train=a.tsv", "dataset.separator=ab"], "or one character"),
        (["dataset=table", "dataset.train=a", "dataset.test_labels=b"], "dataset.test=FILE"),
        (["dataset=table", "dataset.train=a", "dataset.text_column=label"], "the text is there"),
    ],
)
def test_a_sweep_on_what_cannot_be_read_says_what_to_set(
    keys: list[str], says: str, workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workplace / "a.tsv").write_bytes(lines(separator="\t"))
    assert main(["sweep", "-m", "model=majority", *keys]) == 2
    said = capsys.readouterr()
    assert says in said.err + said.out
    assert len(said.err.splitlines()) <= 6


def test_a_file_that_several_folds_and_the_audit_read_is_described_once(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workplace / "a.csv").write_bytes(separated(","))
    keys = ("dataset=table", "dataset.train=a.csv", "dataset.folds=2", "dataset.fold=0,1")
    assert main(["sweep", "-m", "model=majority", *keys]) == 0
    assert capsys.readouterr().out.count("a.csv: comma-separated, UTF-8, 24 rows") == 1


def test_a_folder_and_a_table_are_audited_by_their_names(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class_folders(workplace / "reviews")
    (workplace / "reviews.tsv").write_bytes(separated("\t"))
    for name in ("reviews", "reviews.tsv"):
        assert main(["audit", name, "--json"]) == 0
        said = capsys.readouterr()
        assert (
            sum(json.loads(said.out)["splits"][split]["articles"] for split in ("train", "test"))
            == 24
        )
        assert said.err.startswith(f"{name}: ")

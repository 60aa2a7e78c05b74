"""Folders in the layout of the Hugging Face hub, which need no hub."""

import re
import shlex
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from rnn_bench.config.errors import ConfigError
from rnn_bench.config.schema import Config
from rnn_bench.data.cache import configured_corpus
from rnn_bench.data.corpus import Articles, DataError
from tests.conftest import Command
from tests.data.hub_server import CARD, WHOLE, rows

pytest.importorskip("datasets", reason="the extra hub is not installed")

Put, Read = Callable[[Mapping[str, Any]], None], Callable[..., Articles]


@pytest.fixture
def put(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Put:
    """Puts files into the folder `mine`; tables are written as their names end."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", workplace / "arrow")

    def put(files: Mapping[str, Any]) -> None:
        for name, content in files.items():
            path = workplace / "mine" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes | str):
                path.write_bytes(content if isinstance(content, bytes) else content.encode())
            elif name.endswith("jsonl"):
                content.to_json(path, orient="records", lines=True)
            elif name.endswith("parquet"):
                content.to_parquet(path)
            else:
                content.to_csv(path, index=False)

    return put


@pytest.fixture
def read(configured: Callable[..., Config]) -> Read:
    """The articles of the folder `mine` with these settings."""

    def read(*settings: str) -> Articles:
        config = configured("dataset=hub", "dataset.path=./mine", *settings)
        return configured_corpus(config).articles

    return read


def test_a_folder_in_the_hubs_layout_is_read_with_its_named_classes(put: Put, read: Read) -> None:
    put(WHOLE)
    found = read()
    assert found.classes == ("pos", "neg")
    assert [len(split[0]) for split in (found.train, found.test)] == [60, 20]
    assert (found.train[0][0], found.train[1][:2]) == ("good words, number 0", [0, 1])
    assert found.columns()["text"][1][0] == "Good words, number 60"
    assert (found.validation, found.edition, found.cleaning) == (None, "other", "lower")


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_files_without_a_card_are_read_by_their_names(kind: str, put: Put, read: Read) -> None:
    table = rows(20, title="A title", stars=[5, 1] * 10).rename(columns={"text": "Review"})
    put({f"train.{kind}": table, f"dev.{kind}": table[:6], f"test.{kind}": table[:4]})
    found = read()
    assert found.classes == ("0", "1")
    assert found.validation is not None
    sizes = [len(split[0]) for split in (found.train, found.validation, found.test)]
    assert sizes == [20, 6, 4]
    assert read("dataset.label_column=stars").classes == ("1", "5")


def test_what_is_read_is_said_in_a_line(
    put: Put, read: Read, caplog: pytest.LogCaptureFixture
) -> None:
    put({"train.csv": rows(20)})
    with caplog.at_level("INFO", "rnn_bench"):
        read()
    assert caplog.messages == [
        "Read ./mine: train=train (16), test=20% of train (4), text text, label label ('0', '1')."
    ]


def test_a_share_of_training_is_test_where_no_split_is(put: Put, read: Read) -> None:
    put({"train.csv": rows(20)})
    found = read("dataset.test_fraction=0.4")
    assert [len(split[0]) for split in (found.train, found.test)] == [12, 8]
    assert sorted(found.test[1]) == [0] * 4 + [1] * 4


def test_several_columns_make_one_text(put: Put, read: Read) -> None:
    put({"train.csv": rows(20, title="A title")})
    assert read("dataset.text_columns=[title,text]").train[0][0].startswith("a title ")


def test_another_split_can_be_test(put: Put, read: Read) -> None:
    hidden = rows(10).assign(label=-1)
    card = CARD.replace("data/test-*}", "data/test-*}\n  - {split: validation, path: data/val-*}")
    put({"README.md": card, "data/train-0.csv": rows(20), "data/val-0.csv": rows(6)})
    put({"data/test-0.csv": hidden})
    with pytest.raises(DataError, match=r"The split 'test' of ./mine has no labels.*dataset\.test"):
        read()
    found = read("dataset.test=validation")
    assert (len(found.test[0]), found.validation) == (6, None)


def test_bad_rows_are_refused_or_left_out(put: Put, read: Read) -> None:
    table = rows(20)
    table.loc[2, "text"] = " "
    put({"train.csv": table})
    with pytest.raises(DataError, match=r"1 bad rows of 20; the first is row 3 .*: its 'text' is"):
        read()
    assert read("dataset.drop_bad_rows=true").left_out == "1 of 20 rows of the split train"


REFUSED = [
    ({"train.csv": rows(20)}, "dataset.test=tset", "dataset.test=tset is not.*Its splits: 'train'"),
    (
        *({"train.csv": rows(20)}, "\"dataset.train='train[:10%]'\""),
        r"dataset.train=train\[:10%\] is not.*part of one, set dataset.train_size",
    ),
    ({"train.csv": rows(20)}, "dataset.test=train dataset.train=train", "another key names"),
    (
        {"train.csv": rows(20)},
        "dataset.text_column=txt",
        "text_column=txt .*columns: 'text', 'label'",
    ),
    ({"train.csv": rows(20)}, "dataset.text_columns=[text,x]", "text_columns=x is not possible"),
    (
        {"train.csv": rows(20)},
        "dataset.label_column=lab",
        "label_column=lab .*columns: 'text', 'lab",
    ),
    ({"train.csv": rows(20)}, "dataset.text_column=label", "has no texts. Those that have: 'text'"),
    ({"train.csv": rows(20)}, "dataset.configuration=x", "configuration=x is not.*: default"),
    ({"train.csv": rows(20)[["text"]]}, "", "Which column.*has the labels.*label_column"),
    ({"train.csv": rows(20).rename(columns={"text": "a"}).assign(b="b")}, "", "texts: 'a', 'b'"),
    ({"one.csv": rows(20).assign(label=1)}, "", "one class only, '1'"),
    ({"a.csv": rows(20).assign(text=" ")}, "dataset.drop_bad_rows=true", "has no row with a text"),
    ({"train.csv": rows(20), "test.csv": rows(4).assign(label=7)}, "", "label '7', which that"),
    (
        {"train.jsonl": rows(20).assign(label=[[0, 1]] * 20)},
        "",
        "no single label.*label_column: 'text'",
    ),
    ({"train.csv": rows(40).assign(label=[i / 7 for i in range(40)])}, "", "is it the label"),
    ({"mine.py": "import sys; sys.exit('run')"}, "", "no code of a repository is run"),
    ({"train.png": b"no picture"}, "", "files of the kind imagefolder, which are not read"),
    ({"notes": "nothing"}, "", "mine cannot be read: it has no files of a kind that is read"),
    ({"train.parquet": b"no parquet"}, "", "mine cannot be read: "),
]


@pytest.mark.parametrize(("files", "settings", "says"), REFUSED)
def test_what_cannot_be_read_is_named_with_what_there_is(
    files: dict[str, Any], settings: str, says: str, put: Put, rnn_bench: Command
) -> None:
    put(files)
    answer = rnn_bench("dataset=hub", "dataset.path=./mine", *shlex.split(settings))
    assert answer.status == 2
    assert len(answer.err.splitlines()) <= 6
    assert re.search(says, " ".join(answer.err.split()))


@pytest.mark.parametrize("path", ["./nowhere", "/nowhere", "a/b/c"])
def test_a_path_that_is_no_folder_nor_a_name_is_refused(path: str, rnn_bench: Command) -> None:
    answer = rnn_bench("dataset=hub", f"dataset.path={path}")
    assert answer.status == 2
    assert answer.err.startswith(f"dataset.path={path} does not exist (looked for in")


def test_a_text_column_and_several_are_refused(configured: Callable[..., Config]) -> None:
    with pytest.raises(ConfigError, match="not possible together"):
        configured(
            *("dataset=hub", "dataset.path=a/b"),
            *("dataset.text_column=a", "dataset.text_columns=[a,b]"),
        )


def test_a_changed_folder_is_another_corpus(put: Put, configured: Callable[..., Config]) -> None:
    config = configured("dataset=hub", "dataset.path=mine")
    put({"train.csv": rows(20)})
    before = configured_corpus(config)
    first = (before.key, before.content.fingerprint)
    put({"train.csv": rows(22)})
    after = configured_corpus(config)
    assert after.key != first[0]
    assert after.content.fingerprint != first[1]


def test_without_the_extra_the_refusal_names_it(
    put: Put, rnn_bench: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    put({"train.csv": rows(20)})
    monkeypatch.setitem(sys.modules, "datasets", None)
    answer = rnn_bench("dataset=hub", "dataset.path=mine")
    assert answer.status == 2
    assert "pip install '.[hub]'" in answer.err

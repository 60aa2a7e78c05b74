"""Data sets of the Hugging Face hub: a folder in its layout, and a local server in its place."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from rnn_bench.config.errors import ConfigError
from rnn_bench.config.schema import Config
from rnn_bench.data.cache import configured_corpus
from rnn_bench.data.corpora.hub import HubCorpus
from rnn_bench.data.corpus import Articles, DataError, MissingCorpus
from tests.conftest import Command
from tests.data.hub_server import COMMIT, LATER, Hub, serving_hub

pytest.importorskip("datasets", reason="the extra hub is not installed")

Put, Read = Callable[[Mapping[str, Any]], None], Callable[..., Articles]
Run = Callable[..., subprocess.CompletedProcess[str]]

SMALL_SWEEP = ("-m", "model=majority,tfidf", "threads=1")
CARD = """---
configs:
- config_name: default
  data_files:
  - {split: train, path: data/train-*}
  - {split: test, path: data/test-*}
dataset_info:
  features:
  - {name: text, dtype: string}
  - name: label
    dtype: {class_label: {names: {'0': pos, '1': neg}}}
---
"""


def rows(count: int, start: int = 0, **columns: Any) -> pd.DataFrame:
    """Articles of two classes in turns."""
    numbers = range(start, start + count)
    texts = [f"{('Good', 'Bad')[i % 2]} words, number {i}" for i in numbers]
    return pd.DataFrame({"text": texts, "label": [i % 2 for i in numbers], **columns})


def parquet(table: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    table.to_parquet(buffer)
    return buffer.getvalue()


WHOLE = {
    "README.md": CARD.encode(),
    "data/train-00000-of-00002.parquet": parquet(rows(40)),
    "data/train-00001-of-00002.parquet": parquet(rows(20, 40)),
    "data/test-00000-of-00001.parquet": parquet(rows(20, 60)),
}


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


# --- a folder ------------------------------------------------------------------------------------


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
        "Read ./mine: train=train (16), test=20% of train (4), text text, label label (0, 1)."
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
    with pytest.raises(DataError, match="1 bad rows of 20; the first is row 3: its text is empty"):
        read()
    assert read("dataset.drop_bad_rows=true").left_out == "1 of 20 rows of the split train"


REFUSED = [
    ({"train.csv": rows(20)}, "dataset.test=tset", "dataset.test=tset is not.*Its splits: train"),
    ({"train.csv": rows(20)}, "dataset.test=train dataset.train=train", "another key names"),
    ({"train.csv": rows(20)}, "dataset.text_column=txt", "text_column=txt .*columns: text, label"),
    ({"train.csv": rows(20)}, "dataset.text_columns=[text,x]", "text_columns=x is not possible"),
    ({"train.csv": rows(20)}, "dataset.label_column=lab", "label_column=lab .*columns: text, lab"),
    ({"train.csv": rows(20)}, "dataset.text_column=label", "has no texts. Those that have: text"),
    ({"train.csv": rows(20)}, "dataset.configuration=x", "configuration=x is not.*: default"),
    ({"train.csv": rows(20)[["text"]]}, "", "Which column.*has the labels.*label_column"),
    ({"train.csv": rows(20).rename(columns={"text": "a"}).assign(b="b")}, "", "texts: a, b"),
    ({"one.csv": rows(20).assign(label=1)}, "", "one class only, '1'"),
    ({"train.csv": rows(20), "test.csv": rows(4).assign(label=7)}, "", "label '7', which that"),
    ({"train.jsonl": rows(20).assign(label=[[0, 1]] * 20)}, "", "no single label in a row"),
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
    answer = rnn_bench("dataset=hub", "dataset.path=./mine", *settings.split())
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


# --- the hub -------------------------------------------------------------------------------------


@pytest.fixture
def hub() -> Iterator[Hub]:
    commits = {
        COMMIT: WHOLE,
        LATER: {**WHOLE, "data/test-00000-of-00001.parquet": parquet(rows(8))},
    }
    with serving_hub(Hub("me/own", commits, {"main": COMMIT, "next": LATER})) as hub:
        yield hub


@pytest.fixture
def command(workplace: Path) -> Run:
    """A process of the command line that asks this hub, with an empty cache of the library's at
    first."""

    def command(
        hub: Hub, *words: str, module: str = "rnn_bench", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        own = {"HF_ENDPOINT": hub.url, "HF_HOME": f"{workplace}/hf", "HF_TOKEN_PATH": "none"}
        asked_aside = {"HF_UPDATE_DOWNLOAD_COUNTS": "0", "HF_HUB_DISABLE_TELEMETRY": "1"}
        return subprocess.run(
            [sys.executable, "-m", module, *words],
            env={**os.environ, **own, **asked_aside, **environment},
            capture_output=True,
            text=True,
            timeout=300,
        )

    return command


@pytest.fixture
def fetch(command: Run) -> Run:
    """`python -m rnn_bench.data fetch` of the data set of this hub."""

    def fetch(hub: Hub, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        asked = ("fetch", "hub", "dataset.path=me/own", *words)
        return command(hub, *asked, module="rnn_bench.data", **environment)

    return fetch


OWN = ("dataset=hub", "dataset.path=me/own")


def articles_of(workplace: Path, **keys: Any) -> Articles:
    """The articles that were fetched, read in this process and so without asking the hub."""
    optional = ("configuration", "train", "validation", "test")
    columns = ("text_column", "text_columns", "label_column")
    settings: dict[str, Any] = {
        **dict.fromkeys((*optional, *columns)),
        **{"path": "me/own", "revision": "main", "test_fraction": 0.2},
        **{"cleaning": "lower", "drop_bad_rows": False, "data_dir": workplace / "data"},
    }
    return HubCorpus(**(settings | keys)).read()


def test_a_sweep_fetches_once_and_records_the_commit(
    hub: Hub, command: Run, workplace: Path, recorded_runs: Callable[[], list[Any]]
) -> None:
    swept = command(hub, *SMALL_SWEEP, *OWN)
    assert swept.returncode == 0, swept.stderr
    assert f"dataset.revision=main of me/own is commit {COMMIT}." in swept.stdout
    assert "train=train (60), test=test (20), text text, label label (pos, neg)" in swept.stdout
    files = [path for path in hub.asked_for if path.startswith("GET") and "/data/" in path]
    assert len([each for each in files if each.endswith(".parquet")]) == 3, "each file once"
    runs = recorded_runs()
    assert {run.data.tags["data_edition"] for run in runs} == {f"commit {COMMIT}"}
    assert {run.data.tags["dataset"] for run in runs} == {"own"}
    assert {run.data.params["dataset.revision"] for run in runs} == {"main"}

    hub.asked_for.clear()
    hub.branches["main"] = LATER  # the fetched commit stays
    shutil.rmtree(workplace / "cache" / "encoded")
    again = command(hub, *SMALL_SWEEP, *OWN)
    assert again.returncode == 0, again.stderr
    assert hub.asked_for == [], "no network is needed"
    assert len(recorded_runs()) == 2, "both are reused"


def test_fetching_again_takes_the_newest_commit(hub: Hub, fetch: Run, workplace: Path) -> None:
    for commit, tested in ((COMMIT, 20), (LATER, 8)):
        hub.branches["main"] = commit
        fetched = fetch(hub)
        assert (fetched.returncode, commit in fetched.stdout) == (0, True), fetched.stderr
        found = articles_of(workplace)
        assert (found.edition, len(found.test[0])) == (f"commit {commit}", tested)


def test_a_revision_is_read_as_it_was(hub: Hub, fetch: Run, workplace: Path) -> None:
    assert fetch(hub, "dataset.revision=next").returncode == 0
    assert articles_of(workplace, revision="next").edition == f"commit {LATER}"
    with pytest.raises(MissingCorpus, match=r"hub dataset\.path=me/own dataset\.revision=main"):
        articles_of(workplace)


def test_what_is_lost_or_damaged_is_missing_and_fetched_again(
    hub: Hub, fetch: Run, workplace: Path
) -> None:
    record = workplace / "data" / "hub" / "me" / "own" / "main.json"
    for _ in range(2):
        assert fetch(hub).returncode == 0
        assert json.loads(record.read_text())["commit"] == COMMIT
        assert len(articles_of(workplace).train[0]) == 60
        shutil.rmtree(workplace / "hf")
        with pytest.raises(MissingCorpus, match=r"own-train\.arrow not found"):
            articles_of(workplace)
        record.write_text("damaged")
        with pytest.raises(MissingCorpus, match=r"main\.json not found"):
            articles_of(workplace)


def test_a_plan_downloads_nothing(hub: Hub, command: Run) -> None:
    planned = command(hub, *OWN, "plan=true")
    assert planned.returncode == 2
    assert "fetch hub dataset.path=me/own" in planned.stderr
    assert hub.asked_for == []


def test_without_a_network_the_refusal_names_the_cures(
    unused_port: int, command: Run, workplace: Path
) -> None:
    gone = Hub("me/own", {}, {}, url=f"http://127.0.0.1:{unused_port}")
    refused = command(gone, *OWN)
    assert refused.returncode == 2
    assert f"me/own cannot be fetched: {gone.url} cannot be reached" in refused.stderr
    assert "HF_ENDPOINT" in refused.stderr
    assert "HF_HUB_OFFLINE=1" in refused.stderr
    assert len(refused.stderr.splitlines()) <= 6


def test_offline_the_copy_in_the_cache_is_taken_for_the_branch_main_alone(
    hub: Hub, fetch: Run, workplace: Path
) -> None:
    empty = fetch(hub, HF_HUB_OFFLINE="1")
    assert (empty.returncode, "HF_HUB_OFFLINE is set" in empty.stderr) == (2, True)
    assert fetch(hub).returncode == 0
    shutil.rmtree(workplace / "data")
    cached = fetch(hub, HF_HUB_OFFLINE="1")
    assert "the copy of me/own in the cache is taken" in cached.stdout
    assert articles_of(workplace).edition == f"commit {COMMIT}"
    other = fetch(hub, "dataset.revision=next", HF_HUB_OFFLINE="1")
    assert other.returncode == 2
    assert f"at commit {COMMIT}, of which nothing says" in other.stderr


RENAMED = rows(20).rename(columns={"text": "a", "label": "b"}).assign(c="c")
CONFIGURED = """---
configs:
- {config_name: small, data_files: data/train-*}
- {config_name: large, data_files: data/test-*}
---
"""


@pytest.mark.parametrize(
    ("files", "words", "says"),
    [
        (WHOLE, "dataset.revision=v9", "dataset.revision=v9 is not possible: me/own has no"),
        (WHOLE, "dataset.configuration=x", "dataset.configuration=x is not one of"),
        (
            {**WHOLE, "README.md": CONFIGURED.encode()},
            "data_dir=data",
            "configuration=null is not enough to choose among those of me/own: small, large",
        ),
        ({"own.py": b"print('run')", "a.csv": b"a"}, "data_dir=data", "no code of a repository"),
        ({"README.md": b"# nothing"}, "data_dir=data", "it has no files of a kind that is read"),
    ],
)
def test_what_the_hub_lacks_is_refused_with_what_there_is(
    files: dict[str, bytes], words: str, says: str, fetch: Run
) -> None:
    with serving_hub(Hub("me/own", {COMMIT: files}, {"main": COMMIT})) as hub:
        refused = fetch(hub, words)
    assert refused.returncode == 2
    assert says in refused.stderr
    assert len(refused.stderr.splitlines()) <= 6


@pytest.mark.parametrize(
    ("refusal", "says"),
    [
        ("RepoNotFound", "There is no data set me/own on {url}, or it is private."),
        ("GatedRepo", "Ask for access on\n  {url}/datasets/me/own\nand set HF_TOKEN"),
        ("", "me/own cannot be fetched: {url} answers with status 403"),
    ],
)
def test_a_closed_hub_says_what_to_do(refusal: str, says: str, hub: Hub, fetch: Run) -> None:
    hub.refusal = refusal
    refused = fetch(hub)
    assert refused.returncode == 2
    assert says.format(url=hub.url) in refused.stderr
    assert len(refused.stderr.splitlines()) <= 6


def test_renamed_columns_are_named_with_their_keys(command: Run, workplace: Path) -> None:
    files = {"train.csv": RENAMED.to_csv(index=False).encode()}
    with serving_hub(Hub("me/own", {COMMIT: files}, {"main": COMMIT})) as hub:
        refused = command(hub, *OWN)
    assert refused.returncode == 2
    assert "Which column of me/own has the labels? Set dataset.label_column" in refused.stderr
    assert len(refused.stderr.splitlines()) <= 6
    with pytest.raises(DataError, match=r"Which column of me/own has the texts\?"):
        articles_of(workplace, label_column="b")
    with pytest.raises(DataError, match=r"text_column=text .* Its columns: a, b, c\."):
        articles_of(workplace, label_column="b", text_column="text")
    assert articles_of(workplace, label_column="b", text_column="a").classes == ("0", "1")

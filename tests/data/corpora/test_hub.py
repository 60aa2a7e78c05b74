"""Data sets of the Hugging Face hub, from a local server in its place."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rnn_bench.data.corpora.hub import HubCorpus
from rnn_bench.data.corpus import Articles, DataError, MissingCorpus
from tests.data.hub_server import COMMIT, LATER, WHOLE, Hub, parquet, rows, serving_hub

pytest.importorskip("datasets", reason="the extra hub is not installed")

Run = Callable[..., subprocess.CompletedProcess[str]]

SMALL_SWEEP = ("-m", "model=majority,tfidf", "threads=1")


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
    assert "train=train (60), test=test (20), text text, label label ('pos', 'neg')" in swept.stdout
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
    with pytest.raises(DataError, match=r"text_column=text .* Its columns: 'a', 'b', 'c'\."):
        articles_of(workplace, label_column="b", text_column="text")
    assert articles_of(workplace, label_column="b", text_column="a").classes == ("0", "1")

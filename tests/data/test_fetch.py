"""Fetching from a server in Kaggle's place that does all that a server can do wrong."""

import contextlib
import logging
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rnn_bench.data.corpora import editions
from rnn_bench.data.corpus import DataError
from rnn_bench.data.fetch import fetch_from_kaggle as fetch
from tests.data.kaggle_server import FAKE, FAKE_OR_REAL, ISOT, TRUE, Kaggle, kaggle_serving

ISOT_PAGE = "https://www.kaggle.com/datasets/emineyetm/fake-news-detection-datasets"


@pytest.fixture
def kaggle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kaggle]:
    with kaggle_serving(ISOT) as kaggle:
        for name, value in kaggle.environment(tmp_path).items():
            monkeypatch.setenv(name, value)
        yield kaggle


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return tmp_path / "data" / "isot" / "raw"


def fetch_isot(tmp_path: Path) -> list[Path]:
    return fetch("isot", tmp_path / "data")


def refusal(tmp_path: Path) -> str:
    with pytest.raises(DataError) as refused:
        fetch_isot(tmp_path)
    message = str(refused.value)
    assert len(message.splitlines()) <= 6
    return message


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def make_published(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, content in (("True.csv", TRUE), ("Fake.csv", FAKE)):
        (tmp_path / name).write_bytes(content)
        published = editions.blob_id(tmp_path / name)
        monkeypatch.setitem(editions.PUBLISHED, f"isot/raw/{name}", published)


def test_a_whole_download_is_put_into_the_raw_folder(
    kaggle: Kaggle, tmp_path: Path, raw: Path
) -> None:
    assert fetch_isot(tmp_path) == [raw / "True.csv", raw / "Fake.csv"]
    assert contents(raw) == {"True.csv": TRUE, "Fake.csv": FAKE}


def test_the_other_corpus_comes_from_its_own_dataset(kaggle: Kaggle, tmp_path: Path) -> None:
    kaggle.files = FAKE_OR_REAL
    (path,) = fetch("kaggle", tmp_path)
    assert path == tmp_path / "kaggle" / "raw" / "fake_or_real_news.csv"
    assert path.read_bytes() == FAKE_OR_REAL[path.name]
    assert (tmp_path / "cache" / "datasets" / "jillanisofttech" / "fake-or-real-news").is_dir()


def test_a_cut_off_download_resumes(kaggle: Kaggle, tmp_path: Path, raw: Path) -> None:
    kaggle.behaviour = "cut off"
    assert "was cut off. What has come is kept." in refusal(tmp_path)
    assert not any(raw.iterdir())
    kaggle.behaviour = "whole"
    fetch_isot(tmp_path)
    assert kaggle.ranges == [None, None, "bytes=1048576-"]
    assert contents(raw) == {"True.csv": TRUE, "Fake.csv": FAKE}


def test_a_corrupt_download_is_refused_and_not_resumed(kaggle: Kaggle, tmp_path: Path) -> None:
    kaggle.behaviour = "corrupt"
    assert "arrived damaged (wrong MD5) and is deleted" in refusal(tmp_path)
    kaggle.behaviour = "whole"
    fetch_isot(tmp_path)
    assert kaggle.ranges == [None, None]


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (403, "403 Forbidden"),
        (404, "404 Not Found"),
        (429, "429 Too Many Requests"),
        (500, "500 Internal Server Error"),
    ],
)
def test_a_refusal_says_its_status(kaggle: Kaggle, tmp_path: Path, status: int, words: str) -> None:
    kaggle.behaviour = status
    assert f"Kaggle refuses the download: {words}." in refusal(tmp_path)


@pytest.mark.parametrize("behaviour", ["silent from the start", "silent half way"])
def test_a_server_that_stalls_is_given_up(
    kaggle: Kaggle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, behaviour: str
) -> None:
    kaggle.behaviour = behaviour
    monkeypatch.setattr("rnn_bench.data.download.STALL_SECONDS", 0.3)
    start = time.monotonic()
    assert "Kaggle sends nothing for 0.3 s." in refusal(tmp_path)
    assert time.monotonic() - start < 5


def test_a_resumed_download_that_stalls_is_given_up(
    kaggle: Kaggle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kaggle.behaviour = "cut off"
    refusal(tmp_path)
    kaggle.behaviour = "silent half way"
    monkeypatch.setattr("rnn_bench.data.download.STALL_SECONDS", 0.3)
    assert "Kaggle sends nothing for 0.3 s." in refusal(tmp_path)
    assert kaggle.ranges[-1] == "bytes=1048576-"


def test_without_network_the_error_says_which_files_to_bring_whence_and_where(
    kaggle: Kaggle, tmp_path: Path, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed.getsockname()[1]}")
    assert refusal(tmp_path) == (
        "Kaggle cannot be reached: Connection refused.\n"
        "Try again, or bring True.csv and Fake.csv yourself: from\n"
        f"  {ISOT_PAGE}\n"
        "to\n"
        f"  {raw}"
    )


def test_a_network_that_swallows_everything_is_given_up(
    kaggle: Kaggle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rnn_bench.data.download.CONNECT_SECONDS", 0.3)
    with contextlib.ExitStack() as sockets:
        full = sockets.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        sockets.enter_context(socket.create_connection(full.getsockname()))
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{full.getsockname()[1]}")
        assert "Kaggle cannot be reached: timed out." in refusal(tmp_path)


def test_the_cause_is_not_an_error_that_was_being_handled_before(
    kaggle: Kaggle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed.getsockname()[1]}")
    try:
        raise DataError("no articles yet")
    except DataError:
        assert "reached: Connection refused." in refusal(tmp_path)


def test_a_broken_kaggle_account_file_is_named(kaggle: Kaggle, tmp_path: Path) -> None:
    account = tmp_path / "home" / "kaggle.json"
    account.parent.mkdir()
    account.write_text("{")
    assert f"Invalid Kaggle credentials file at {account}" in refusal(tmp_path)


def test_an_archive_without_the_file_says_what_it_has(
    kaggle: Kaggle, tmp_path: Path, raw: Path
) -> None:
    kaggle.files = {"True.csv": TRUE} | {f"{number}.csv": b"" for number in range(9)}
    message = refusal(tmp_path)
    assert f"{ISOT_PAGE}\nhas no Fake.csv any more." in message
    assert "Its files: 0.csv, 1.csv, 2.csv, 3.csv, 4.csv and others." in message
    assert not any(raw.iterdir())


def test_published_files_that_are_there_need_no_network(
    kaggle: Kaggle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_published(monkeypatch, tmp_path)
    fetch_isot(tmp_path)
    kaggle.asked_for.clear()
    fetch_isot(tmp_path)
    assert not kaggle.asked_for


def test_an_identical_file_is_left_and_a_missing_one_comes(
    kaggle: Kaggle, tmp_path: Path, raw: Path
) -> None:
    raw.mkdir(parents=True)
    (raw / "True.csv").write_bytes(TRUE)
    os.utime(raw / "True.csv", (1, 1))
    fetch_isot(tmp_path)
    assert (raw / "True.csv").stat().st_mtime == 1
    assert (raw / "Fake.csv").read_bytes() == FAKE


def test_a_different_file_is_not_overwritten(kaggle: Kaggle, tmp_path: Path, raw: Path) -> None:
    raw.mkdir(parents=True)
    (raw / "Fake.csv").write_bytes(b"mine")
    assert f"{raw / 'Fake.csv'} is there and differs" in refusal(tmp_path)
    assert contents(raw) == {"Fake.csv": b"mine"}


def test_a_full_disk_leaves_no_torn_file(
    kaggle: Kaggle, tmp_path: Path, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: Path, target: Path) -> None:
        target.write_bytes(source.read_bytes()[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", full)
    assert refusal(tmp_path) == f"{raw} cannot be used: No space left on device."
    assert not any(raw.iterdir())


def test_a_cache_that_cannot_be_used_is_named(
    kaggle: Kaggle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "file" / "cache"))
    assert "Not a directory. $KAGGLEHUB_CACHE names another folder." in refusal(tmp_path)


def test_published_files_are_said_to_be_so(
    kaggle: Kaggle,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    make_published(monkeypatch, tmp_path)
    with caplog.at_level("INFO", "rnn_bench"):
        fetch_isot(tmp_path)
    assert "are the published ones, to the byte." in caplog.messages[-1]


def test_another_edition_is_said_to_be_one(
    kaggle: Kaggle, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", "rnn_bench"):
        fetch_isot(tmp_path)
    assert "are another edition than the published one." in caplog.messages[-1]


def test_a_sample_is_said_to_be_one(
    kaggle: Kaggle, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kaggle.files = FAKE_OR_REAL
    with caplog.at_level("INFO", "rnn_bench"):
        fetch("kaggle", tmp_path)
    assert "are a sample, with fewer articles than the published ones." in caplog.messages[-1]


def test_kagglehub_says_nothing_of_its_own(
    kaggle: Kaggle,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    # Only who has an account is told of newer versions.
    monkeypatch.setenv("KAGGLE_API_TOKEN", "token")
    monkeypatch.setattr(logging.getLogger("rnn_bench"), "handlers", [])  # the command's, if any
    fetch_isot(tmp_path)
    assert kaggle.asked_for == ["GetDataset", "DownloadDataset"]
    assert capfd.readouterr() == ("", "")


def test_kagglehub_is_left_as_it_was(kaggle: Kaggle, tmp_path: Path) -> None:
    from kagglehub import clients
    from requests.adapters import HTTPAdapter

    before = HTTPAdapter.send, clients.tqdm
    fetch_isot(tmp_path)
    assert before == (HTTPAdapter.send, clients.tqdm)

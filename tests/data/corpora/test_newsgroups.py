"""20 Newsgroups: from an archive, and as scikit-learn fetches it."""

import hashlib
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from sklearn.datasets import _twenty_newsgroups as scikit_learn

from rnn_bench.config.errors import ConfigError
from rnn_bench.config.schema import Config
from rnn_bench.data.corpora.newsgroups import NewsgroupsCorpus
from rnn_bench.data.corpus import Articles, DataError, MissingCorpus
from rnn_bench.data.fingerprint import content_fingerprint
from tests.data.file_server import serving

HEADER, FOOTER = "From: me@there\nSubject: Re: x\n\n", "\n\n--\nme, caf\xe9\n"
QUOTE = "You wrote:\n> of the moon\n"


def message(number: int) -> str:
    return f"{HEADER}{QUOTE}Message {number}, na\xefve\x85 and more.\nA line of it.{FOOTER}"


def archive(kind: str, splits: tuple[str, ...] = ("train", "test")) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{kind}") as made:  # type: ignore[call-overload]
        for split in splits:
            for number in range(12):
                group = ("sci.space", "rec.autos")[number % 2]
                info = tarfile.TarInfo(f"20news-bydate-{split}/{group}/{number}")
                content = message(number).encode("latin-1")
                info.size = len(content)
                made.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def corpus(data: Path, remove: tuple[str, ...] = ("headers", "footers", "quotes")) -> Articles:
    return NewsgroupsCorpus(remove, "lower", data).read()


@pytest.fixture
def put(tmp_path: Path) -> Callable[[bytes, str], Path]:
    """Puts an archive where it is read; gives the data folder."""

    def put(content: bytes, kind: str) -> Path:
        file = tmp_path / "newsgroups" / "raw" / f"20news-bydate.tar.{kind}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return tmp_path

    return put


@pytest.mark.parametrize("kind", ["gz", "xz"])
def test_an_archive_is_read_without_what_names_the_group(
    kind: str, put: Callable[[bytes, str], Path]
) -> None:
    found = corpus(put(archive(kind), kind))
    assert found.classes == ("rec.autos", "sci.space")
    assert [len(split[0]) for split in (found.train, found.test)] == [12, 12]
    assert found.train[0][0] == "message 1, naïve\x85 and more.\na line of it.\n"
    assert found.train[1] == [0] * 6 + [1] * 6
    assert found.columns()["text"][0][0].startswith("Message 1")
    assert found.edition == "other"


@pytest.mark.parametrize("remove", [(), ("headers",), ("footers", "quotes")])
def test_what_is_kept_can_be_chosen(
    remove: tuple[str, ...], put: Callable[[bytes, str], Path]
) -> None:
    text = corpus(put(archive("gz"), "gz"), remove).train[0][0]
    assert text.startswith("from: me@there") == ("headers" not in remove)
    assert ("café" in text) == ("footers" not in remove)
    assert ("of the moon" in text) == ("quotes" not in remove)


@pytest.mark.parametrize("remove", [(), ("headers", "footers", "quotes")])
def test_scikit_learn_fetches_what_the_archive_has(
    remove: tuple[str, ...],
    put: Callable[[bytes, str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    content = archive("gz")
    with serving({"20news-bydate.tar.gz": content}) as source:
        checksum = hashlib.sha256(content).hexdigest()
        url = f"{source.url}/20news-bydate.tar.gz"
        there = scikit_learn.ARCHIVE._replace(url=url, checksum=checksum)
        monkeypatch.setattr(scikit_learn, "ARCHIVE", there)
        fetched = NewsgroupsCorpus(remove, "lower", tmp_path / "fetched")
        fetched.fetch()
        fetched.fetch()  # there is nothing to do
    assert len(source.asked_for) == 1
    assert fetched.read().edition == "published"
    from_archive = corpus(put(content, "gz"), remove)
    assert content_fingerprint(fetched.read()) == content_fingerprint(from_archive)


def test_a_download_that_fails_says_what_to_bring_and_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving({"a": b"another archive"}) as source:
        there = scikit_learn.ARCHIVE._replace(url=f"{source.url}/a")
        monkeypatch.setattr(scikit_learn, "ARCHIVE", there)
        with pytest.raises(DataError) as refused:
            NewsgroupsCorpus((), "lower", tmp_path).fetch()
    first, *others = str(refused.value).splitlines()
    assert first.startswith("20 Newsgroups cannot be fetched: The SHA256 checksum of 20news-bydate")
    assert others[0] == "Try again, or bring 20news-bydate.tar.gz yourself: from"
    assert others[-1] == f"  {tmp_path}/newsgroups/raw"


def test_without_files_it_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingCorpus, match="no articles of newsgroups"):
        corpus(tmp_path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (archive("gz")[:400], "is not a whole archive"),
        (b"no archive", "is not a whole archive"),
        (archive("gz", ("train",)), "has no messages in 20news-bydate-test/GROUP/."),
    ],
)
def test_a_broken_archive_is_named(
    content: bytes, says: str, put: Callable[[bytes, str], Path]
) -> None:
    with pytest.raises(DataError, match=r"20news-bydate\.tar\.gz") as refused:
        corpus(put(content, "gz"))
    assert says in str(refused.value)


def test_an_unknown_part_is_refused(configured: Callable[..., Config]) -> None:
    with pytest.raises(ConfigError, match="a list of headers, footers, quotes"):
        configured("dataset=newsgroups", "dataset.remove=[signatures]")


def test_the_real_archive_has_20_groups(articles: Path) -> None:
    found = corpus(articles)
    assert [len(split[0]) for split in (found.train, found.test)] == [11_314, 7_532]
    assert (len(found.classes), found.edition) == (20, "published")
    assert "rec.sport.hockey" in found.classes

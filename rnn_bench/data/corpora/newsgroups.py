"""20 Newsgroups: messages of Usenet, the earlier ones for training, the later ones for test."""

import hashlib
import logging
import lzma
import socket
import tarfile
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnn_bench.data import download
from rnn_bench.data.cleaning import CLEANINGS
from rnn_bench.data.corpora.editions import EDITIONS
from rnn_bench.data.corpus import Articles, Corpus, DataError, MissingCorpus, file_identity
from rnn_bench.data.download import explained_failure, make_writable, usable

CACHE = "20news-bydate_py3.pkz"  # where scikit-learn keeps what it has fetched
# The SHA-256 of the published archive, which scikit-learn fetches, and of the same in xz.
ARCHIVES = {
    "20news-bydate.tar.gz": "8f1b2514ca22a5ade8fbb9cfa5727df95fa587f4c87b786e15c759fa66d95610",
    "20news-bydate.tar.xz": "6d0ea4ef175c561e347bb1a15fb938cf267aa8fe6fd1294c667d42495bf9c5f1",
}
SPLITS = ("train", "test")
PAGE = "https://ndownloader.figshare.com/files/5975967"

Message = tuple[str, str, str]  # group, file, text

log = logging.getLogger(__name__)


@dataclass
class NewsgroupsCorpus(Corpus):
    """20 Newsgroups, as scikit-learn has fetched it to `<data_dir>/newsgroups/`, or from an archive
    in `raw/` below. `remove` names the parts of a message that scikit-learn's rules take out."""

    remove: Sequence[str]
    cleaning: str
    data_dir: Path

    @property
    def folder(self) -> Path:
        return self.data_dir / "newsgroups"

    def identity(self) -> dict[str, Any]:
        settings = {"remove": sorted(self.remove), "cleaning": self.cleaning}
        return {**settings, "files": file_identity([self._file()])}

    def fetch(self) -> None:
        folder = self.folder.absolute()
        with usable(folder):
            if self._present() is None:
                make_writable(folder)
                self._download(folder)
        log.info("The messages in %s are %s.", folder, EDITIONS[self._edition()])

    def read(self) -> Articles:
        file, clean = self._file(), CLEANINGS[self.cleaning]
        read = _read_cache if file.name == CACHE else _read_archive
        splits = read(file, self.remove)
        classes = sorted({group for group, _, _ in splits[0]})
        raw = [[text for _, _, text in messages] for messages in splits]
        train, test = (
            ([*map(clean, texts)], [classes.index(group) for group, _, _ in messages])
            for texts, messages in zip(raw, splits, strict=True)
        )
        return Articles(
            train=train,
            test=test,
            classes=tuple(classes),
            edition=self._edition(),
            cleaning=self.cleaning,
            columns=lambda: {"text": (raw[0], raw[1])},
        )

    def _present(self) -> Path | None:
        files = [*(self.folder / "raw" / name for name in ARCHIVES), self.folder / CACHE]
        return next((path for path in files if path.is_file()), None)

    def _file(self) -> Path:
        """Return the file that is read.

        Raises:
            MissingCorpus: there is none.
        """
        file = self._present()
        if file is None:
            raise MissingCorpus(self, "newsgroups", [self.folder / CACHE], self.data_dir)
        return file

    def _edition(self) -> str:
        """Return published for what scikit-learn has fetched, as it checks that, and for an archive
        that is the original to the byte."""
        file = self._file()
        if file.name == CACHE:
            return "published"
        with file.open("rb") as content:
            found = hashlib.file_digest(content, "sha256").hexdigest()
        return "published" if found == ARCHIVES[file.name] else "other"

    @staticmethod
    def _download(folder: Path) -> None:
        from sklearn.datasets import fetch_20newsgroups

        log.info("Downloading 20news-bydate.tar.gz (14 MB) from %s", PAGE)
        with (
            explained_failure("figshare", "20news-bydate.tar.gz", PAGE, folder / "raw", _reason),
            _stalling_ends(),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")  # of another try
            fetch_20newsgroups(data_home=folder)


@contextmanager
def _stalling_ends() -> Iterator[None]:
    """Give up connections of the block on which nothing comes: scikit-learn waits for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(download.STALL_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _reason(error: Exception, cause: str) -> str:
    return f"20 Newsgroups cannot be fetched: {cause}."


def _read_cache(file: Path, remove: Sequence[str]) -> list[list[Message]]:
    """Return the training and the test messages that scikit-learn has fetched."""
    from sklearn.datasets import fetch_20newsgroups

    splits = []
    for split in SPLITS:
        found = fetch_20newsgroups(
            data_home=file.parent, subset=split, remove=tuple(remove), download_if_missing=False
        )
        groups = [found.target_names[target] for target in found.target]
        names = [Path(name).name for name in found.filenames]
        splits.append(sorted(zip(groups, names, found.data, strict=True)))
    return splits


def _read_archive(file: Path, remove: Sequence[str]) -> list[list[Message]]:
    """Return the training and the test messages of an archive, as scikit-learn would give them."""
    from sklearn.datasets import _twenty_newsgroups as scikit_learn

    strip = {
        "headers": scikit_learn.strip_newsgroup_header,
        "footers": scikit_learn.strip_newsgroup_footer,
        "quotes": scikit_learn.strip_newsgroup_quoting,
    }
    found: dict[str, list[Message]] = {split: [] for split in SPLITS}
    try:
        with tarfile.open(file) as archive:
            for member in archive:
                *_, folder, group, name = ["", "", *member.name.split("/")]
                split = folder.removeprefix("20news-bydate-")
                content = archive.extractfile(member) if split in found else None
                if content is None:
                    continue
                text = content.read().decode("latin-1")
                for part in strip:
                    if part in remove:
                        text = strip[part](text)
                found[split].append((group, name, text))
    except (tarfile.TarError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise DataError(f"{file} is not a whole archive: {error}.") from error
    for split, messages in found.items():
        if not messages:
            raise DataError(f"{file} has no messages in 20news-bydate-{split}/GROUP/.")
    return [sorted(messages) for messages in found.values()]

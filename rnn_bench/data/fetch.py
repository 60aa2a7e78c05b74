"""Download the raw files of the study's two corpora from Kaggle."""

import contextlib
import filecmp
import functools
import io
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rnn_bench.data import download
from rnn_bench.data.corpora.editions import EDITIONS, edition
from rnn_bench.data.corpora.study_files import raw_files
from rnn_bench.data.corpus import DataError
from rnn_bench.data.csv_files import read_csv
from rnn_bench.data.download import explained_failure, make_writable, usable
from rnn_bench.files import replaced_atomically

DATASETS = {
    "isot": "emineyetm/fake-news-detection-datasets",
    "kaggle": "jillanisofttech/fake-or-real-news",
}

log = logging.getLogger(__name__)


def fetch_from_kaggle(corpus: str, data_dir: Path) -> list[Path]:
    """Download the raw files of isot or kaggle to `<data_dir>/<corpus>/raw/`; return their paths.

    Existing files are never overwritten. A download that breaks off stays in kagglehub's cache, and
    the next call resumes it.

    Raises:
        DataError: the files cannot be downloaded or written. The message says how to bring them.
    """
    raw = raw_files(corpus, data_dir.absolute())
    folder = raw[0].parent
    with usable(folder):
        if not _are_published(corpus, raw):
            make_writable(folder)
            _copy_missing(_download(corpus, raw))
        published = _are_published(corpus, raw)
    articles = 0 if published else sum(len(read_csv(path)) for path in raw)
    log.info("The raw files in %s are %s.", folder, EDITIONS[edition(corpus, raw, articles)])
    return raw_files(corpus, data_dir)


def _are_published(corpus: str, raw: list[Path]) -> bool:
    return all(path.is_file() for path in raw) and edition(corpus, raw, 0) == "published"


def _download(corpus: str, raw: list[Path]) -> dict[Path, Path]:
    """Download the dataset; return the downloaded file for each raw file."""
    page = f"https://www.kaggle.com/datasets/{DATASETS[corpus]}"
    names = " and ".join(path.name for path in raw)
    log.info("Downloading %s from %s", names, page)
    with (
        explained_failure("Kaggle", names, page, raw[0].parent, _kagglehub_reason),
        _patched_kagglehub() as dataset_download,
    ):
        downloaded = Path(dataset_download(DATASETS[corpus]))
    found = {path: sorted(downloaded.rglob(path.name)) for path in raw}
    for path in raw:
        if not found[path]:
            others = sorted(other.name for other in downloaded.rglob("*") if other.is_file())
            raise DataError(
                f"{page}\nhas no {path.name} any more. Its files: {', '.join(others[:5])}"
                f"{' and others' * (len(others) > 5)}.\n"
                f"Bring {names} from elsewhere to\n  {path.parent}"
            )
    return {path: files[0] for path, files in found.items()}


@contextlib.contextmanager
def _patched_kagglehub() -> Iterator[Any]:
    """Give kagglehub's `dataset_download` to one process at a time. It gives up on a server that
    sends nothing, draws its progress bar in a terminal only, and prints nothing else.

    The names that this relies on are checked in tests/data/test_kagglehub.py."""
    with contextlib.redirect_stdout(io.StringIO()):
        from filelock import FileLock
        from kagglehub import clients, config, dataset_download
        from requests.adapters import HTTPAdapter

        cache = Path(config.get_cache_folder())
        cache.mkdir(parents=True, exist_ok=True)
        adapter: Any = HTTPAdapter
        send, bar = adapter.send, clients.tqdm

        def impatient_send(*args: Any, **kwargs: Any) -> Any:
            timeout = download.CONNECT_SECONDS, download.STALL_SECONDS
            return answers.enter_context(send(*args, **{**kwargs, "timeout": timeout}))

        # kagglehub has no time-out, no setting for the bar and no lock on its cache, and it leaves
        # the first answer open when it resumes.
        with FileLock(cache / "rnn_bench.lock"), contextlib.ExitStack() as answers:
            adapter.send, clients.tqdm = impatient_send, functools.partial(bar, disable=None)
            try:
                yield dataset_download
            finally:
                adapter.send, clients.tqdm = send, bar


def _kagglehub_reason(error: Exception, cause: str) -> str:
    """Return why a download failed with an error of kagglehub's own, or of a file of its cache."""
    from kagglehub.exceptions import DataCorruptionError

    if isinstance(error, DataCorruptionError):
        return "The download arrived damaged (wrong MD5) and is deleted."
    if isinstance(error, OSError) and isinstance(error.filename, str):
        return f"{error.filename} cannot be used: {cause}. $KAGGLEHUB_CACHE names another folder."
    return f"kagglehub fails with {type(error).__name__}: {error}"


def _copy_missing(downloaded: dict[Path, Path]) -> None:
    for path, source in downloaded.items():
        if path.exists() and not filecmp.cmp(source, path, shallow=False):
            raise DataError(
                f"{path} is there and differs from Kaggle's {path.name}; nothing was changed.\n"
                f"Keep it and go on without fetching, or move it away and fetch again."
            )
    for path, source in downloaded.items():
        if not path.exists():
            with replaced_atomically(path) as part:
                shutil.copyfile(source, part)

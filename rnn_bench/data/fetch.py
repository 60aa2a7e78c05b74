"""Download the raw files of the study's two corpora from Kaggle."""

import contextlib
import filecmp
import functools
import io
import logging
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rnn_bench.data.corpora.editions import EDITIONS, edition
from rnn_bench.data.corpora.study_files import raw_files
from rnn_bench.data.corpus import DataError
from rnn_bench.data.csv_files import read_csv
from rnn_bench.files import replaced_atomically

DATASETS = {
    "isot": "emineyetm/fake-news-detection-datasets",
    "kaggle": "jillanisofttech/fake-or-real-news",
}
CONNECT_SECONDS = 10  # until a connection that is not answered is given up
STALL_SECONDS = 60  # until a server that sends nothing is given up

log = logging.getLogger(__name__)


def fetch(corpus: str, data_dir: Path) -> list[Path]:
    """Download the raw files of isot or kaggle to `<data_dir>/<corpus>/raw/`; return their paths.

    Existing files are never overwritten. A download that breaks off stays in kagglehub's cache, and
    the next call resumes it.

    Raises:
        DataError: the files cannot be downloaded or written. The message says how to bring them.
    """
    raw = raw_files(corpus, data_dir.absolute())
    folder = raw[0].parent
    try:
        if not _are_published(corpus, raw):
            folder.mkdir(parents=True, exist_ok=True)
            if not os.access(folder, os.W_OK):
                raise DataError(f"{folder} cannot be written. Choose another data_dir=FOLDER.")
            _copy_missing(_download(corpus, raw))
        published = _are_published(corpus, raw)
    except OSError as error:
        raise DataError(
            f"{error.filename or folder} cannot be used: {error.strerror or error}."
        ) from error
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
    outer = sys.exception()
    try:
        with _patched_kagglehub() as dataset_download:
            downloaded = Path(dataset_download(DATASETS[corpus]))
    except Exception as error:
        raise DataError(
            f"{_reason(error, outer)}\nTry again, or bring {names} yourself: from\n"
            f"  {page}\nto\n  {raw[0].parent}"
        ) from error
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
            timeout = CONNECT_SECONDS, STALL_SECONDS
            return answers.enter_context(send(*args, **{**kwargs, "timeout": timeout}))

        # kagglehub has no time-out, no setting for the bar and no lock on its cache, and it leaves
        # the first answer open when it resumes.
        with FileLock(cache / "rnn_bench.lock"), contextlib.ExitStack() as answers:
            adapter.send, clients.tqdm = impatient_send, functools.partial(bar, disable=None)
            try:
                yield dataset_download
            finally:
                adapter.send, clients.tqdm = send, bar


def _reason(error: Exception, outer: BaseException | None) -> str:
    """Return why a download failed, in a line. `outer` is an error that was being handled before
    the download began, and is no cause of its failure."""
    import requests
    from kagglehub.exceptions import DataCorruptionError
    from urllib3.exceptions import ReadTimeoutError

    chain: list[BaseException] = [error]
    while chain[-1].__context__ and chain[-1].__context__ is not outer:
        chain.append(chain[-1].__context__)
    cause = getattr(chain[-1], "strerror", None) or str(chain[-1]) or type(chain[-1]).__name__
    match error:
        case requests.HTTPError(response=requests.Response() as answer):
            return f"Kaggle refuses the download: {answer.status_code} {answer.reason}."
        case DataCorruptionError():
            return "The download arrived damaged (wrong MD5) and is deleted."
        case _ if any(isinstance(link, ReadTimeoutError) for link in chain):
            return f"Kaggle sends nothing for {STALL_SECONDS} s. What has come is kept."
        case requests.exceptions.ChunkedEncodingError():
            return "The download was cut off. What has come is kept."
        case requests.ConnectionError():
            return f"Kaggle cannot be reached: {cause}."
        case OSError(filename=str() as file):
            return f"{file} cannot be used: {cause}. $KAGGLEHUB_CACHE names another folder."
    return f"kagglehub fails with {type(error).__name__}: {error}".splitlines()[0]


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

"""Download files over HTTP, and say in a line why that fails."""

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from rnn_bench.data.corpora.editions import blob_id
from rnn_bench.data.corpus import DataError

CONNECT_SECONDS = 10  # until a connection that is not answered is given up
STALL_SECONDS = 60  # until a server that sends nothing is given up
BLOCK_BYTES = 2**16

log = logging.getLogger(__name__)


@contextmanager
def usable(folder: Path) -> Iterator[None]:
    """Turn an error of a file in the block into a DataError that names the file, or the folder."""
    try:
        yield
    except OSError as error:
        what = error.filename or folder
        raise DataError(f"{what} cannot be used: {error.strerror or error}.") from error


def make_writable(folder: Path) -> None:
    """Make the folder if it is missing.

    Raises:
        DataError: it cannot be written.
        OSError: it cannot be made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):
        raise DataError(f"{folder} cannot be written. Choose another data_dir=FOLDER.")


def download(url: str, path: Path, blob: str) -> None:
    """Download a file whose git blob id is `blob`. What has come of it when the download breaks off
    is kept, and the next call goes on there.

    Raises:
        DataError: it cannot be downloaded, or is another file. The message says how to bring it.
        OSError: it cannot be written.
    """
    part = path.with_name(f"{path.name}.part")
    make_writable(path.parent)
    log.info("Downloading %s from %s", path.name, url)
    with explained_failure(urlsplit(url).netloc, path.name, url, path.parent):
        _download_rest(url, part)
    if (found := blob_id(part)) != blob:
        part.unlink()
        raise DataError(
            f"{url}\nis not the published {path.name}: its git blob id is {found}, and that of the "
            f"published one is {blob}.\nIt is deleted. Bring {path.name} from elsewhere to\n"
            f"  {path.parent}"
        )
    part.replace(path)


@contextmanager
def explained_failure(
    server: str,
    names: str,
    address: str,
    folder: Path,
    own_reason: Callable[[Exception, str], str] | None = None,
) -> Iterator[None]:
    """Turn what a download raises in the block into a DataError, which says why it failed and how
    to bring the files. `own_reason` says why in the case of a library's own errors; without it,
    only those of `requests` are turned."""
    import requests

    outer = sys.exception()  # an error that was being handled before is no cause
    try:
        yield
    except Exception as error:
        if own_reason is None and not isinstance(error, requests.RequestException):
            raise
        reason = _reason(error, outer, server, own_reason or (lambda error, cause: f"{error}"))
        raise DataError(
            f"{reason}\nTry again, or bring {names} yourself: from\n  {address}\nto\n  {folder}"
        ) from error


def _download_rest(url: str, part: Path) -> None:
    """Append to the file what it lacks, with a progress bar in a terminal."""
    import requests
    from tqdm import tqdm

    start = part.stat().st_size if part.is_file() else 0
    # Ranges are counted in what is sent: it must not be compressed.
    headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={start}-"} if start else {})}
    timeout = CONNECT_SECONDS, STALL_SECONDS
    with requests.get(url, headers=headers, timeout=timeout, stream=True) as answer:
        if answer.status_code == requests.codes.requested_range_not_satisfiable:
            return  # all of it has come, or more than there is: its blob id tells
        answer.raise_for_status()
        if answer.status_code != requests.codes.partial_content:
            start = 0
        size = int(answer.headers.get("Content-Length", 0)) + start
        bar = tqdm(
            desc=part.stem, total=size, initial=start, unit="B", unit_scale=True, disable=None
        )
        with bar, part.open("ab" if start else "wb") as file:
            for block in answer.iter_content(BLOCK_BYTES):
                bar.update(file.write(block))


def _reason(
    error: Exception,
    outer: BaseException | None,
    server: str,
    own_reason: Callable[[Exception, str], str],
) -> str:
    """Return why a download failed, in a line."""
    import requests
    from urllib3.exceptions import ReadTimeoutError

    chain: list[BaseException] = [error]
    while chain[-1].__context__ and chain[-1].__context__ is not outer:
        chain.append(chain[-1].__context__)
    cause = getattr(chain[-1], "strerror", None) or str(chain[-1]) or type(chain[-1]).__name__
    match error:
        case requests.HTTPError(response=requests.Response() as answer):
            return f"{server} refuses the download: {answer.status_code} {answer.reason}."
        case _ if any(isinstance(link, ReadTimeoutError) for link in chain):
            return f"{server} sends nothing for {STALL_SECONDS} s. What has come is kept."
        case requests.exceptions.ChunkedEncodingError():
            return "The download was cut off. What has come is kept."
        case requests.ConnectionError():
            return f"{server} cannot be reached: {cause}."
    return own_reason(error, cause).splitlines()[0]

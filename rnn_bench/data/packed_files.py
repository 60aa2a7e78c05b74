"""Read files as they are or packed: .gz, .bz2, .xz, .zst, and .zip or .tar archives of one file."""

import bz2
import gzip
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from rnn_bench.data.corpus import DataError

COMPRESSED: dict[str, Any] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
    ".zst": partial(pa.input_stream, compression="zstd"),
}
TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
DAMAGE = (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, tarfile.TarError)
NOT_A_FILE_S = ("__MACOSX/", ".DS_Store", "._")  # what macOS adds to an archive


@contextmanager
def unpacked(path: Path) -> Iterator[Any]:
    """Give the content of a file, unpacked if its name ends like a packed file's.

    Raises:
        DataError: the file is not there or cannot be read, is damaged, or is an archive of no file
            or of several. Damage may be found while the block reads.
    """
    try:
        with ExitStack() as stack:
            yield _opened(path, stack)
    except FileNotFoundError:
        raise DataError(f"{path} does not exist.") from None
    except DAMAGE as error:
        raise _damaged(path, error) from None
    except OSError as error:
        if error.errno is None:  # of gzip, bz2 and zst
            raise _damaged(path, error) from None
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None


def _opened(path: Path, stack: ExitStack) -> Any:
    ending = path.suffix.lower()
    if path.name.lower().endswith(TARS):
        tar = stack.enter_context(tarfile.TarFile.open(path))
        name = _only([member.name for member in tar.getmembers() if member.isfile()], path)
        return stack.enter_context(tar.extractfile(name) or nullcontext())
    if ending == ".zip":
        archive = stack.enter_context(zipfile.ZipFile(path))
        member = _only([name for name in archive.namelist() if not name.endswith("/")], path)
        try:
            return stack.enter_context(archive.open(member))
        except RuntimeError as error:  # it has a password, or a kind of compression
            raise DataError(f"{path} cannot be unpacked: {error}. Unpack it yourself.") from None
    opened = COMPRESSED.get(ending, partial(open, mode="rb"))
    return stack.enter_context(opened(path))


def _only(names: list[str], path: Path) -> str:
    names = [
        name
        for name in names
        if not name.startswith(NOT_A_FILE_S) and not Path(name).name.startswith(NOT_A_FILE_S)
    ]
    if len(names) == 1:
        return names[0]
    held = ", ".join(map(repr, sorted(names)[:5])) + ", ..." * (len(names) > 5)
    raise DataError(
        f"{path} must be an archive of one file, and has {len(names) or 'none'}"
        f"{': ' * bool(names)}{held}. Unpack it, and name the file that is meant."
    )


def _damaged(path: Path, error: Exception) -> DataError:
    reason = str(error).partition("\n")[0].strip().rstrip(".:") or type(error).__name__
    return DataError(
        f"{path} is damaged, or is no {path.suffix.lower()} file whatever its name says: {reason}. "
        "Bring it again, or give it the ending of what it is."
    )

"""Find the encoding of a file of text, and decode it."""

import codecs
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rnn_bench.data.corpus import DataError
from rnn_bench.data.packed_files import unpacked

HEAD_BYTES = 1 << 16
MARKS = {  # UTF-32's first: it begins like UTF-16's
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# gzip, xz, bzip2, zstd, 7z, rar, lz4, compress, lzma
PACKED = re.compile(
    rb"\x1f\x8b|\xfd7zXZ|BZh[1-9]1AY&SY|\x28\xb5\x2f\xfd|7z\xbc\xaf|Rar!\x1a|\x04\x22\x4d\x18|"
    rb"\x1f\x9d|\x5d\0\0"
)
UNMARKED = "utf-8-sig"  # UTF-8, with a mark or without


def read_head(path: Path) -> bytes:
    """Return the first bytes of a file, unpacked.

    Raises:
        DataError: it cannot be read.
    """
    with unpacked(path) as file:
        return bytes(file.read(HEAD_BYTES))


def find_encoding(path: Path, head: bytes, given: str | None = None) -> str:
    """Return the encoding of a file that begins with these bytes: the `given` one, or UTF-16 or
    UTF-32 if it begins with their mark, else UTF-8.

    Raises:
        DataError: the given one is no encoding of text, or the file is no text.
    """
    if PACKED.match(head):
        raise DataError(
            f"{path} is packed, and its name does not say so, or it is of a kind that is not read. "
            "Call it .gz, .bz2, .xz or .zst if it is one, else unpack it yourself."
        )
    if given is not None:
        try:
            b"a".decode(given, "ignore").encode(given)
        except (LookupError, UnicodeError):
            raise DataError(
                f"dataset.encoding={given} is not an encoding. Some are utf-8, utf-16, "
                "windows-1252, latin-1, gb18030, shift_jis."
            ) from None
        return UNMARKED if codecs.lookup(given).name == "utf-8" else given
    marked = [encoding for mark, encoding in MARKS.items() if head.startswith(mark)]
    if not marked and 10 * head.count(b"\0") > len(head):
        raise DataError(
            f"{path} is no UTF-8: it is full of zero bytes. If it is UTF-16 without a mark, set "
            "dataset.encoding=utf-16-le."
        )
    return marked[0] if marked else UNMARKED


@contextmanager
def decoding(path: Path, encoding: str) -> Iterator[None]:
    """Raise DataError, with the key to set, if the block cannot decode a file."""
    try:
        yield
    except UnicodeError as error:
        where = ""
        if isinstance(error, UnicodeDecodeError):
            where = f" (byte {error.object[error.start]:#04x})"
        raise DataError(
            f"{path} is not {shown(encoding)}: {getattr(error, 'reason', error)}{where}. Say what "
            "it is, for example with dataset.encoding=windows-1252; other encodings are latin-1, "
            "windows-1251, gb18030, shift_jis."
        ) from None


def shown(encoding: str) -> str:
    """Return an encoding as people write it: UTF-8, latin-1."""
    name = encoding.removesuffix("-sig")
    return name.upper() if name.startswith("utf") else name


def read_text(path: Path, given: str | None = None) -> tuple[str, str]:
    """Return the content of a file of text and its encoding, which is found if it is not given.

    Raises:
        DataError: the file cannot be read, or has another encoding.
    """
    with unpacked(path) as file:
        content = bytes(file.read())
    encoding = find_encoding(path, content[:HEAD_BYTES], given)
    with decoding(path, encoding):
        return content.decode(encoding), encoding


def read_lines(path: Path, given: str | None = None) -> tuple[list[str], str]:
    """Return the lines of a file of text and its encoding. A line ends at LF alone: other
    characters that Python counts as ends of lines stand within texts.

    Raises:
        DataError: the file cannot be read or is empty, or has another encoding.
    """
    text, encoding = read_text(path, given)
    if not text.strip():
        raise DataError(f"{path} is empty.")
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")], encoding

"""Files that are packed, as people have them, and damaged ones."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pytest

from rnn_bench.config.schema import Config
from rnn_bench.data.corpus import DataError
from rnn_bench.data.csv_files import read_csv
from rnn_bench.data.encoding import encoded_corpus

CONTENT = b"text,label\n" + b"".join(b"word%d,%d\n" % (i, i % 2) for i in range(500))


def zipped(files: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def tarred(files: Mapping[str, bytes], mode: str = "w") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


ONE, TWO = {"a.csv": CONTENT}, {"a.csv": CONTENT, "b.csv": CONTENT}
PACKED: dict[str, bytes] = {
    "t.csv.gz": gzip.compress(CONTENT),
    "t.csv.bz2": bz2.compress(CONTENT),
    "t.csv.xz": lzma.compress(CONTENT),
    "t.csv.zst": pa.Codec("zstd").compress(CONTENT, asbytes=True),
    "t.zip": zipped(ONE),
    "t.tar": tarred(ONE),
    "t.tar.gz": tarred(ONE, "w:gz"),
    "t.tgz": tarred(ONE, "w:gz"),
    "t.tbz2": tarred(ONE, "w:bz2"),
    "t.txz": tarred(ONE, "w:xz"),
}


def says(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        read_csv(path)
    message = str(error.value)
    assert message.startswith(f"{path} ")
    assert len(message.splitlines()) <= 6
    return message


@pytest.mark.parametrize("name", PACKED)
def test_a_packed_file_is_read_as_the_file_in_it(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(PACKED[name])
    (tmp_path / "plain.csv").write_bytes(CONTENT)
    assert read_csv(tmp_path / name).equals(read_csv(tmp_path / "plain.csv"))


@pytest.mark.parametrize("name", PACKED)
def test_a_truncated_file_is_named(name: str, tmp_path: Path) -> None:
    assert "is damaged" in says(tmp_path / name, PACKED[name][: len(PACKED[name]) // 3])


@pytest.mark.parametrize("name", PACKED)
def test_a_file_without_its_start_is_named(name: str, tmp_path: Path) -> None:
    says(tmp_path / name, b"\xff" * 300 + PACKED[name][300:])


@pytest.mark.parametrize("name", [name for name in PACKED if name != "t.tar"])
@pytest.mark.parametrize("position", range(1, 10))
def test_a_flipped_byte_is_no_traceback(name: str, position: int, tmp_path: Path) -> None:
    """It is refused, or it hits what decides no content, such as a time."""
    content = bytearray(PACKED[name])
    content[len(content) * position // 10] ^= 0xFF
    (tmp_path / name).write_bytes(bytes(content))
    with suppress(DataError):
        assert len(read_csv(tmp_path / name)) == 500


@pytest.mark.parametrize("name", PACKED)
def test_plain_text_with_the_name_of_a_packed_file_is_named(name: str, tmp_path: Path) -> None:
    message = says(tmp_path / name, CONTENT)
    assert "None" not in message
    assert "whatever its name says" in message


@pytest.mark.parametrize("name", PACKED)
def test_an_empty_file_is_named(name: str, tmp_path: Path) -> None:
    says(tmp_path / name, b"")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("t.zip", zipped(TWO), r"one file, and has 2: 'a.csv', 'b.csv'. Unpack it"),
        ("t.zip", zipped({}), "one file, and has none. Unpack it"),
        ("t.zip", zipped({"folder/": b""}), "one file, and has none"),
        ("t.tar", tarred(TWO), "one file, and has 2: 'a.csv', 'b.csv'"),
        ("t.tar", tarred({}), "one file, and has none"),
    ],
)
def test_an_archive_of_no_or_several_files_is_refused(
    name: str, content: bytes, reason: str, tmp_path: Path
) -> None:
    assert reason in says(tmp_path / name, content)


def test_what_macos_adds_to_an_archive_is_no_file(tmp_path: Path) -> None:
    path = tmp_path / "t.zip"
    path.write_bytes(zipped({"__MACOSX/._a.csv": b"\0", ".DS_Store": b"\0", "a.csv": CONTENT}))
    assert len(read_csv(path)) == 500


def test_an_archive_with_a_password_is_named(tmp_path: Path) -> None:
    content = bytearray(zipped(ONE))
    for start in (b"PK\x03\x04", b"PK\x01\x02"):  # the flags of both headers
        content[content.index(start) + (6 if start[2] == 3 else 8)] |= 1
    assert "cannot be unpacked" in says(tmp_path / "t.zip", bytes(content))


def test_a_packed_corpus_is_trained_on(configured: Callable[..., Config], tmp_path: Path) -> None:
    (tmp_path / "t.csv.gz").write_bytes(PACKED["t.csv.gz"])
    corpus = encoded_corpus(configured("dataset=table", f"dataset.train={tmp_path / 't.csv.gz'}"))
    assert len(corpus.test) == 100

"""Writing files so that no reader ever sees half of one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replaced_atomically(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`, and put what was written there in its place.

    If the block raises, the temporary file is deleted and `path` stays as it was. The temporary
    name holds the process id, so that several processes may write the same file at once.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_atomically(path: Path, text: str) -> None:
    """Write a text file so that no reader ever sees half of it."""
    with replaced_atomically(path) as part:
        part.write_text(text, encoding="utf-8", newline="")

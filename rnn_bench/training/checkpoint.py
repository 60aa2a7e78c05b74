"""Write and read checkpoints, from which an interrupted run continues as if undisturbed."""

import hashlib
import io
import logging
import os
from pathlib import Path
from typing import Any

import torch

from rnn_bench.config.errors import UsageError

log = logging.getLogger(__name__)

KEPT = 2
HASH_BYTES = hashlib.sha256().digest_size


class Checkpoints:
    """Keeps the last two checkpoints of a run in a folder.

    A file starts with the SHA-256 of the rest, by which damage is noticed; the rest is what
    `torch.save` writes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # Not `replaced_atomically`: the oldest checkpoint becomes the next temporary file, because
        # overwriting a file saves 80 ms an epoch over writing a new one.
        self._part = folder / "checkpoint.part"
        self._buffer = io.BytesIO()  # as large as a checkpoint, and reused by the next one

    def save(self, epoch: int, state: dict[str, Any]) -> None:
        """Write the state after an epoch, and delete all but the last two checkpoints.

        Raises:
            UsageError: the folder cannot be written, or the disk is full.
        """
        torch.serialization.set_crc32_options(False)  # the SHA-256 is enough
        self._buffer.seek(0)
        torch.save(state, self._buffer)
        self._buffer.truncate()
        try:
            mode = "r+b" if self._part.exists() else "wb"
            with self._buffer.getbuffer() as content, self._part.open(mode) as file:
                file.write(hashlib.sha256(content).digest())
                file.write(content)
                file.truncate()
            self._part.replace(self.folder / f"checkpoint-{epoch:06}.pt")
            for old in self._files()[KEPT:]:
                old.replace(self._part)
        except OSError as error:
            self._part.unlink(missing_ok=True)
            reason = os.strerror(error.errno or 0)
            raise UsageError(f"{self.folder} cannot take a checkpoint: {reason}.") from error

    @property
    def epoch(self) -> int:
        """The epoch of the newest checkpoint; 0 if there is none."""
        return max((int(file.stem.rpartition("-")[2]) for file in self._files()), default=0)

    def load(self) -> dict[str, Any] | None:
        """Return the newest undamaged state, with tensors on the CPU; None if there is none."""
        for file in self._files():
            content = file.read_bytes()
            if hashlib.sha256(content[HASH_BYTES:]).digest() == content[:HASH_BYTES]:
                state: dict[str, Any] = torch.load(
                    io.BytesIO(content[HASH_BYTES:]), map_location="cpu", weights_only=True
                )
                return state
            log.warning("%s is damaged; the checkpoint before it is used.", file)
        return None

    def remove(self) -> None:
        """Delete all checkpoints."""
        for file in (*self._files(), self._part):
            file.unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("checkpoint-*.pt"), reverse=True)

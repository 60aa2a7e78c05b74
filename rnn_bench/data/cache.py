"""The cache folder of encoded corpora."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from rnn_bench.config.errors import UsageError
from rnn_bench.config.schema import Config


@contextmanager
def cache_folder(config: Config) -> Iterator[Path]:
    """The folder of encodings, made if it is missing.

    Raises:
        UsageError: what the block does with it fails.
    """
    folder = Path(config.cache_dir) / "encoded"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(
            f"cache_dir={config.cache_dir} cannot be used: {reason}. "
            "Choose another with cache_dir=..."
        ) from error

"""What torch's errors about a device mean to the user of a run."""

from collections.abc import Iterator
from contextlib import contextmanager

from rnn_bench.config.errors import ConfigError


@contextmanager
def explained_device_errors() -> Iterator[None]:
    """Explain an error of torch's that the block raises, if the device or its settings cause it.

    Raises:
        ConfigError: an operation has no deterministic version, and `deterministic=true`.
    """
    try:
        yield
    except RuntimeError as error:
        sentence, stop, _ = str(error).partition(". ")
        if "does not have a deterministic implementation" in sentence:
            raise ConfigError(
                f"deterministic=true is not possible: {sentence}{stop}".strip()
            ) from error
        raise

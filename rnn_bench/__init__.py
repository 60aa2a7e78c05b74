"""Which recurrent cell should read my texts, and how sure can I be?"""

from importlib.metadata import PackageNotFoundError, version


def own_version() -> str:
    """Return this package's version; "unknown" in a source tree that was never installed."""
    try:
        return version("rnn_bench")
    except PackageNotFoundError:
        return "unknown"

"""Stop on SIGINT and SIGTERM: a run at its next batch, everything else at once."""

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

STOPPING = (signal.SIGINT, signal.SIGTERM)

_requested = False


@contextmanager
def stopping_at_once() -> Iterator[None]:
    """Let a signal raise KeyboardInterrupt in the block. Later signals are ignored, so that they
    don't disturb the clean-up."""
    with _handling(lambda number, frame: stop()):
        yield


@contextmanager
def counting() -> Iterator[Callable[[], int]]:
    """Count signals in the block instead of stopping; gives a function that returns the count."""
    numbers: list[int] = []
    with _handling(lambda number, frame: numbers.append(number)):
        yield lambda: len(numbers)


@contextmanager
def stopping_at_a_batch(signals: Sequence[signal.Signals] = STOPPING) -> Iterator[None]:
    """Let a signal in the block raise KeyboardInterrupt at the next `check`, or at the end of the
    block; a second one raises it at once."""
    global _requested
    _requested = False
    with _handling(_request_stop, signals):
        yield
        check()


def check() -> None:
    """Stop if a signal has come. Called after each batch and while a run waits.

    Raises:
        KeyboardInterrupt: a signal has come.
    """
    if _requested:
        stop()


def _request_stop(number: int, frame: FrameType | None) -> None:
    global _requested
    if _requested:
        stop()
    _requested = True


def stop() -> None:
    """Stop, and ignore further signals, so that they don't disturb the clean-up.

    Raises:
        KeyboardInterrupt: always.
    """
    global _requested
    _requested = False
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


@contextmanager
def _handling(
    handler: Callable[[int, FrameType | None], None],
    signals: Sequence[signal.Signals] = STOPPING,
) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # only there Python allows it
        yield
        return
    before = {number: signal.signal(number, handler) for number in signals}
    try:
        yield
    finally:
        for number, earlier in before.items():
            if signal.getsignal(number) is handler:  # else `stop` ignores signals until the end
                signal.signal(number, earlier)

"""SIGINT and SIGTERM: what waits is interrupted at once, what trains stops at its next batch."""

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

STOPPING = (signal.SIGINT, signal.SIGTERM)

_asked = False


@contextmanager
def stopping_at_once() -> Iterator[None]:
    """A signal raises KeyboardInterrupt; another one does not disturb what follows from that."""
    with _handling(lambda number, frame: stop()):
        yield


@contextmanager
def counting() -> Iterator[Callable[[], int]]:
    """Signals do nothing but count; the block asks how many have come."""
    numbers: list[int] = []
    with _handling(lambda number, frame: numbers.append(number)):
        yield lambda: len(numbers)


@contextmanager
def stopping_at_a_batch(signals: Sequence[signal.Signals] = STOPPING) -> Iterator[None]:
    """A signal asks the run to stop, which `check` does; a second one raises at once.

    Raises:
        KeyboardInterrupt: a signal has come, and no `check` after it.
    """
    global _asked
    _asked = False
    with _handling(_ask, signals):
        yield
        check()


def check() -> None:
    """Stop here if a signal asked for it. Called after each batch.

    Raises:
        KeyboardInterrupt: a signal has come.
    """
    if _asked:
        stop()


def _ask(number: int, frame: FrameType | None) -> None:
    global _asked
    if _asked:
        stop()
    _asked = True


def stop() -> None:
    """Stop here, and let no further signal disturb what follows from that.

    Raises:
        KeyboardInterrupt: always.
    """
    global _asked
    _asked = False
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


@contextmanager
def _handling(
    handler: Callable[[int, FrameType | None], None],
    signals: Sequence[signal.Signals] = STOPPING,
) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # where Python sets no handler
        yield
        return
    before = {number: signal.signal(number, handler) for number in signals}
    try:
        yield
    finally:
        for number, earlier in before.items():
            if signal.getsignal(number) is handler:  # once interrupted, to the end
                signal.signal(number, earlier)

"""Stop on SIGINT, SIGTERM and SIGHUP: a run at its next batch, everything else at once."""

import os
import signal
import stat
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

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


def _leave_closed_terminal() -> None:
    """Write nowhere in the place of a terminal that was closed, where every write fails."""
    for stream in (1, 2):
        with suppress(OSError):  # the stream is closed
            if stat.S_ISCHR(os.fstat(stream).st_mode) and not os.isatty(stream):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream)


def _is_heard(number: signal.Signals) -> bool:
    """Return whether a signal is handled: `nohup` has SIGHUP ignored, and it stays so."""
    return number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN


@contextmanager
def _handling(
    handler: Callable[[int, FrameType | None], None],
    signals: Sequence[signal.Signals] = STOPPING,
) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # only there Python allows it
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            _leave_closed_terminal()
        handler(number, frame)

    before = {number: signal.signal(number, handle) for number in signals if _is_heard(number)}
    try:
        yield
    finally:
        for number, earlier in before.items():
            if signal.getsignal(number) is handle:  # else `stop` ignores signals until the end
                signal.signal(number, earlier)

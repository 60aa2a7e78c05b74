"""The sign of life of the process that trains a run."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rnn_bench.tracking import schema
from rnn_bench.tracking.availability import unreachable
from rnn_bench.tracking.claims import RunClaims
from rnn_bench.tracking.rows import Withdrawn

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 30
LAST_SECONDS = 4  # that a heartbeat has to end when the run does


@contextmanager
def heartbeat(claims: RunClaims, run_id: str) -> Iterator[Callable[[], None]]:
    """Record every 30 s that this process is alive and trains a run.

    Gives a function that raises Withdrawn if another process has taken over the run.
    """
    ended, withdrawals = threading.Event(), list[Withdrawn]()

    def beat() -> None:
        while not ended.wait(HEARTBEAT_SECONDS):
            try:
                claims.confirm(run_id)
                claims.client.set_tag(run_id, schema.HEARTBEAT, f"{time.time():.0f}")
            except Withdrawn as withdrawn:
                withdrawals.append(withdrawn)
                return
            except Exception as error:
                if not unreachable(error):
                    log.warning("No heartbeat: %s", error)

    def check() -> None:
        if withdrawals:
            raise withdrawals[0]

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield check
    finally:
        ended.set()
        thread.join(LAST_SECONDS)

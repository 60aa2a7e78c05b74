"""How the packed launcher's processes begin.

On Linux they are forks of a process that has imported what runs need and does nothing else, so
that no run waits seconds for its imports. Elsewhere, where torch may not be forked, they begin
anew.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Mapping
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess
from typing import Any

from hydra.core.utils import env_override

from rnn_bench.training.interruption import STOPPING

FORKS = sys.platform == "linux"
IMPORTED = ["rnn_bench.sweep.job", "mlflow.store.tracking.sqlalchemy_store"]
# A fork has none of the threads that numpy and pyarrow start when they are imported.
WITHOUT_THREADS = {"OPENBLAS_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}
OF_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

context: ForkServerContext | SpawnContext = (
    multiprocessing.get_context("forkserver") if FORKS else multiprocessing.get_context("spawn")
)


def prepare() -> None:
    """Let the process that is forked later begin its imports, beside what this one does."""
    if FORKS:
        context.set_forkserver_preload(IMPORTED)
        with env_override(WITHOUT_THREADS):
            _begin(forkserver.ensure_running)


def process(
    work: Callable[..., None], arguments: tuple[Any, ...], threads: int, gpu: str
) -> BaseProcess:
    """A process that does this work, with so many threads, and that sees only this GPU. It begins
    with the signals of `STOPPING` blocked: until it has unblocked them, a Ctrl-C is its
    parent's."""
    prepare()
    own = dict.fromkeys(OF_THREADS, str(threads)) | {"CUDA_VISIBLE_DEVICES": gpu}
    started = context.Process(target=_work_in, args=({**os.environ, **own}, work, arguments))
    _begin(started.start)
    return started


def _begin(start: Callable[[], None]) -> None:
    resource_tracker.ensure_running()  # if started by the way, it would unblock the signals
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    try:
        start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _work_in(
    environment: Mapping[str, str], work: Callable[..., None], arguments: tuple[Any, ...]
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    work(*arguments)

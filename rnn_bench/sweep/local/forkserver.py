"""Starts the processes of a sweep's runs.

On Linux they are forks of a process that only imports the modules that runs need, so that no run
waits seconds for its imports. Elsewhere torch may not be forked, and each is a new interpreter.
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
# A fork has none of its parent's threads: these keep numpy and pyarrow from starting any there.
NO_THREADS = {"OPENBLAS_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}
THREAD_COUNTS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

context: ForkServerContext | SpawnContext = (
    multiprocessing.get_context("forkserver") if FORKS else multiprocessing.get_context("spawn")
)


def start_forkserver() -> None:
    """Start the process that runs are forked from. It imports while this process imports too."""
    if FORKS:
        context.set_forkserver_preload(IMPORTED)
        with env_override(NO_THREADS):
            _start_with_signals_blocked(forkserver.ensure_running)


def start_process(
    target: Callable[..., None], arguments: tuple[Any, ...], threads: int, gpu: str
) -> BaseProcess:
    """Start a process that calls `target`, uses so many CPU threads, and sees only the GPU with
    this UUID ("": none).

    It starts with the signals of STOPPING blocked. Until `target` unblocks them, only the parent
    gets a Ctrl-C.
    """
    start_forkserver()
    own = dict.fromkeys(THREAD_COUNTS, str(threads)) | {"CUDA_VISIBLE_DEVICES": gpu}
    process = context.Process(
        target=_call_in_environment, args=({**os.environ, **own}, target, arguments)
    )
    _start_with_signals_blocked(process.start)
    return process


def _start_with_signals_blocked(start: Callable[[], None]) -> None:
    resource_tracker.ensure_running()  # `start` would start it too, and thereby unblock the signals
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    try:
        start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _call_in_environment(
    environment: Mapping[str, str], target: Callable[..., None], arguments: tuple[Any, ...]
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    target(*arguments)

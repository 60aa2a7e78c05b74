"""Makes Hydra's launchers for submitit and Ray wait for all their jobs, and cancel them when the
sweep is interrupted.

The launchers read the jobs' results in order and end at the first dead job: the results of later
jobs are lost, and with Ray also the jobs that still wait in its queue. Here a dead job has an empty
result, and its error is kept. For that, functions of submitit and of `hydra_ray_launcher` are
replaced while a sweep runs: `functions` names them, and tests check that they exist.
"""

import importlib
import logging
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from hydra.core.utils import JobReturn, JobStatus

from rnn_bench.config.hydra_internals import replaced

log = logging.getLogger("rnn_bench")

CANCEL_SECONDS = 60.0  # that cancelled jobs have to end; Slurm kills them after 30 (KillWait)


class Jobs(ABC):
    """The jobs that a launcher has begun, and the errors of dead jobs."""

    def __init__(self) -> None:
        self.begun: list[Any] = []
        self.errors: list[Exception] = []

    @abstractmethod
    def functions(self) -> tuple[tuple[Any, str], tuple[Any, str], Any]:
        """Return two functions to replace, each as its owner and name, and the result of a dead
        job. The first function begins jobs, the second waits for a job's result."""

    def check(self) -> None:  # noqa: B027 - most have nothing to check
        """Log a warning if the cluster lacks something, before a job is begun."""

    @abstractmethod
    def cancel(self) -> None:
        """Ask all jobs to stop at their next batch."""

    @abstractmethod
    def have_ended(self) -> bool:
        """Return whether no job runs or waits any more."""

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Keep the jobs that are begun in the block, and the errors of dead jobs.

        Raises:
            KeyboardInterrupt: the sweep is interrupted; its jobs are cancelled.
        """
        self.check()
        begin, result, nothing = self.functions()
        with ExitStack() as stack:
            stack.enter_context(replaced(*begin, self._keeping))
            stack.enter_context(replaced(*result, lambda get: self._sparing(get, nothing)))
            try:
                yield
            except KeyboardInterrupt:
                if self.begun:
                    log.info("Cancelling %d jobs.", len(self.begun))
                    self.cancel()
                    self._wait()
                raise

    def _keeping(self, begin: Callable[..., Any]) -> Callable[..., Any]:
        def begin_and_keep(*arguments: Any, **named: Any) -> Any:
            begun = begin(*arguments, **named)
            self.begun += begun if isinstance(begun, list) else [begun]
            return begun

        return begin_and_keep

    def _sparing(self, get: Callable[..., Any], nothing: Any) -> Callable[..., Any]:
        def result_or_nothing(*arguments: Any, **named: Any) -> Any:
            try:
                return get(*arguments, **named)
            except Exception as error:
                self.errors.append(error)
                return nothing

        return result_or_nothing

    def _wait(self) -> None:
        until = time.monotonic() + CANCEL_SECONDS
        while not self.have_ended() and time.monotonic() < until:
            time.sleep(0.5)


class LocalJobs(Jobs):
    """submitit's processes on this machine."""

    def functions(self) -> tuple[tuple[Any, str], tuple[Any, str], Any]:
        core = importlib.import_module("submitit.core.core")
        return (core.Executor, "map_array"), (core.Job, "results"), [DIED]

    def cancel(self) -> None:
        for job in self.begun:
            job.cancel(check=False)

    def have_ended(self) -> bool:
        return all(job.done() for job in self.begun)


class SlurmJobs(LocalJobs):
    """submitit's jobs on Slurm."""

    def check(self) -> None:
        try:
            answer = self._ask("sacct")
        except FileNotFoundError:  # nor can jobs be submitted, which submitit says
            return
        if answer.returncode:
            log.warning(
                "sacct says: %s. Without it submitit does not notice that a job was killed, and "
                "waits for it until Ctrl-C.",
                " ".join(answer.stderr.split()),
            )

    def cancel(self) -> None:
        self._ask("scancel", *self._ids())

    def have_ended(self) -> bool:
        return not self._ask("squeue", "--noheader", f"--jobs={','.join(self._ids())}").stdout

    def _ids(self) -> list[str]:
        return sorted({job.job_id.partition("_")[0] for job in self.begun})  # of arrays

    @staticmethod
    def _ask(*command: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(command, capture_output=True, text=True)


class RayTasks(Jobs):
    """Ray's tasks."""

    def functions(self) -> tuple[tuple[Any, str], tuple[Any, str], Any]:
        launcher = importlib.import_module("hydra_plugins.hydra_ray_launcher._core")
        return (launcher, "launch_job_on_ray"), (launcher.ray, "get"), DIED

    def cancel(self) -> None:
        ray = importlib.import_module("ray")
        for task in self.begun:
            ray.cancel(task)

    def have_ended(self) -> bool:
        ray = importlib.import_module("ray")
        _, running = ray.wait(self.begun, num_returns=len(self.begun), timeout=0)
        return not running


DIED = JobReturn(status=JobStatus.COMPLETED)
JOBS: dict[str, type[LocalJobs] | type[RayTasks]] = {
    "local": LocalJobs,
    "slurm": SlurmJobs,
    "ray": RayTasks,
}

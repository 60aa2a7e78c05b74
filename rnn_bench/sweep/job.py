"""One job of a sweep: Hydra's task, in whatever process a launcher runs it."""

import logging
from functools import lru_cache

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, open_dict

from rnn_bench.config.composition import Composer, Job
from rnn_bench.config.errors import UsageError, describe
from rnn_bench.run import run
from rnn_bench.sweep.cluster.launching import enter_working_folder
from rnn_bench.tracking.run_key import run_name
from rnn_bench.training.console import batch_bar
from rnn_bench.training.events import Watch
from rnn_bench.training.interruption import stopping_at_a_batch

log = logging.getLogger("rnn_bench")

unusable: list[UsageError] = []  # why a single run could not be made


def train_job(config: DictConfig) -> None:
    """Hydra's task: one run. An error ends this run alone; the record says which failed."""
    enter_working_folder()
    job = composed_job(config)
    name = run_name(job.config, job.defaults)
    try:
        with stopping_at_a_batch(), batch_bar() as watch:
            answer(job, 1 if is_single() or job.launcher == "basic" else None, watch)
    except Exception as error:
        if is_single() and isinstance(error, UsageError):
            unusable.append(error)
        else:
            log.error("%s failed: %s", name, describe(error), exc_info=True)


def answer(job: Job, concurrent_jobs: int | None, watch: Watch, patient: bool = True) -> None:
    """Make the job's run, or find it. In a sweep a run has one thread if nothing else is said.

    Raises:
        Exception: whatever ends the run.
    """
    if job.config.threads is None and not is_single():
        job.config.threads = 1
    run(job.config, job.defaults, concurrent_jobs, watch, patient)


def composed_job(config: DictConfig) -> Job:
    """The checked job of a config that Hydra composed, in a process of Hydra's."""
    hydra_config = HydraConfig.get()
    with open_dict(config):
        config.hydra = hydra_config
    sources = hydra_config.runtime.config_sources
    own = (source.path for source in sources if source.provider == "command-line")
    return _composer(tuple(own), tuple(hydra_config.overrides.hydra)).job(config)


_composer = lru_cache(maxsize=1)(Composer)  # one process's jobs have one search path


def is_single() -> bool:
    """Whether the command line asks for one run, without -m."""
    return bool(HydraConfig.get().mode == RunMode.RUN)

"""Trains one job of a sweep, in a process that a launcher chooses."""

import logging

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, open_dict

from rnn_bench.config.composition import Job, composer_of
from rnn_bench.config.errors import UsageError, describe
from rnn_bench.run import run
from rnn_bench.sweep.cluster.environment import enter_working_folder
from rnn_bench.tracking.run_key import run_name
from rnn_bench.training.console import batch_bar
from rnn_bench.training.events import Watch
from rnn_bench.training.interruption import stopping_at_a_batch

log = logging.getLogger("rnn_bench")


def train_job(config: DictConfig) -> None:
    """Make the run of a config that Hydra composed. An error ends this run alone: it is logged, and
    MLflow's record says that the run failed.

    Raises:
        UsageError: a single run, without -m, cannot be made.
    """
    enter_working_folder()
    with open_dict(config):
        config.hydra = HydraConfig.get()
    job = composer_of(config).job(config)
    try:
        with stopping_at_a_batch(), batch_bar() as watch:
            make_run(job, 1 if is_single() or job.launcher == "basic" else None, watch)
    except Exception as error:
        if is_single() and isinstance(error, UsageError):
            raise
        name = run_name(job.config, job.defaults)
        log.error("%s failed: %s", name, describe(error), exc_info=True)


def make_run(
    job: Job, concurrent_jobs: int | str | None, watch: Watch, patient: bool = True
) -> None:
    """Make a job's run, or reuse its result. In a sweep a run has one thread by default. Raise the
    error that ends the run."""
    if job.config.threads is None and not is_single():
        job.config.threads = 1
    run(job.config, job.defaults, concurrent_jobs, watch, patient)


def is_single() -> bool:
    """Return whether the command line is that of a single run, without -m."""
    return bool(HydraConfig.get().mode == RunMode.RUN)

"""Runs the jobs of a command line through Hydra, with the launcher that it names."""

import argparse
import logging
from collections.abc import Sequence
from contextlib import nullcontext

from omegaconf import DictConfig

from rnn_bench.config.composition import Job, config_folder
from rnn_bench.config.errors import UsageError, shorten
from rnn_bench.config.hydra_internals import run_hydra
from rnn_bench.sweep.cluster.jobs import JOBS
from rnn_bench.sweep.job import train_job

log = logging.getLogger("rnn_bench")


def launch(arguments: argparse.Namespace, jobs: Sequence[Job], show_everything: bool) -> None:
    """Let Hydra run every job. Log a line for each job that died on a cluster, and for a launcher
    that failed: MLflow's record says which runs are finished.

    Raises:
        UsageError: a single run, or no run of a sweep, can be made.
        KeyboardInterrupt: the sweep is interrupted; jobs on a cluster are cancelled.
    """
    unusable: list[UsageError] = []

    def single_task(config: DictConfig) -> None:
        try:
            train_job(config)
        except UsageError as error:  # which Hydra would print with the overrides
            unusable.append(error)

    engine = jobs[0].engine
    cluster = JOBS[engine.name]() if engine else None
    asked = {frozenset(job.composed.hydra.overrides.task) for job in jobs}
    known = frozenset[str]().union(*asked)

    def is_asked(overrides: Sequence[str]) -> bool:
        return known.intersection(overrides) in asked  # a cluster's jobs have more overrides

    task = train_job if arguments.multirun else single_task
    try:
        with cluster.watched() if cluster else nullcontext():
            run_hydra(arguments, task, config_folder(), is_asked)
    except UsageError:
        raise
    except Exception as error:
        if show_everything:
            raise
        log.error("hydra/launcher=%s failed. %s", jobs[0].launcher, first_line(error))
    for each in cluster.errors if cluster else []:
        log.error("A job died. %s", first_line(each))
    if unusable:
        raise unusable[0]


def first_line(error: Exception) -> str:
    """Return an error's type and the first line of its message."""
    return shorten(f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}", 300)

"""Hydra's launcher `packed`: trains a sweep's runs on this machine, several at once.

Hydra imports this module whenever it starts, so slow imports wait until a sweep is launched.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus, configure_log, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict


class PackedLauncher(Launcher):
    """Trains runs on this machine, each in a process. Its keys are those of
    `rnn_bench.config.launcher.Packed`, which each job has as its `packing`."""

    def __init__(self, **keys: Any) -> None:
        super().__init__()

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Keep the sweep's config. Hydra's task is not used."""
        self.config = config

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Make every run. Hydra gets completed jobs only: failures are in MLflow's record.

        Raises:
            KeyboardInterrupt: a signal ended the sweep.
        """
        from rnn_bench.config.composition import composer_of
        from rnn_bench.sweep.local.scheduler import make_runs

        setup_globals()
        hydra = self.config.hydra
        configure_log(hydra.hydra_logging, hydra.verbose)
        Path(str(hydra.sweep.dir)).mkdir(parents=True, exist_ok=True)
        jobs = composer_of(self.config).jobs_of(self.config, job_overrides)
        for number, job in enumerate(jobs, start=initial_job_idx):
            OmegaConf.copy_cache(from_config=self.config, to_config=job.composed)
            with open_dict(job.composed):
                job.composed.hydra.job.id = str(number)
                job.composed.hydra.job.num = number
        assert jobs[0].packing
        make_runs(jobs, jobs[0].packing)
        return [
            JobReturn(
                overrides=[*overrides],
                cfg=job.composed,
                working_dir=str(Path.cwd()),
                task_name=hydra.job.name,
                status=JobStatus.COMPLETED,
            )
            for overrides, job in zip(job_overrides, jobs, strict=True)
        ]

"""Hydra's launcher `packed`: the runs of a sweep on this machine, several at once, a process each.

Hydra imports every module of the namespace `hydra_plugins` whenever it starts, so what takes
seconds to import is imported when a sweep is launched.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus, configure_log, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict


class PackedLauncher(Launcher):
    """Packs runs onto this machine. Its keys are those of `rnn_bench.config.launcher.Packed`, which
    each job carries as its `packing`."""

    def __init__(self, **keys: Any) -> None:
        super().__init__()

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Keep the sweep's config: runs are made from it, not by Hydra's task."""
        self.config = config

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Make every run. A failed one is failed in MLflow's record; for Hydra all are done.

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

"""Hydra's launcher `packed`: the runs of a sweep on this machine, several at once, a process each.

What takes seconds to import is imported when a sweep is launched.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus, configure_log, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from rnn_bench.config.composition import Job
from rnn_bench.config.launcher import Packed


class PackedLauncher(Launcher):
    """Keys: see `Packed`."""

    __module__ = "hydra_plugins.rnn_bench"  # Hydra makes launchers of this package only
    jobs: Sequence[Job] = ()  # what Hydra asks it to launch, composed and checked before

    def __init__(self, **keys: Any) -> None:
        plain = OmegaConf.to_container(OmegaConf.create(keys))
        assert isinstance(plain, dict)
        self.packing = Packed(**{str(name): value for name, value in plain.items()})

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        self.config = config

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Make every run. One that fails is so in the record; for Hydra all jobs are done.

        Raises:
            KeyboardInterrupt: a signal ended the sweep.
        """
        from rnn_bench.sweep.local.scheduler import make_runs

        setup_globals()
        hydra = self.config.hydra
        configure_log(hydra.hydra_logging, hydra.verbose)
        Path(str(hydra.sweep.dir)).mkdir(parents=True, exist_ok=True)
        for number, job in enumerate(self.jobs, start=initial_job_idx):
            OmegaConf.copy_cache(from_config=self.config, to_config=job.composed)
            with open_dict(job.composed):
                job.composed.hydra.job.id = str(number)
                job.composed.hydra.job.num = number
        make_runs(self.jobs, self.packing)
        return [
            JobReturn(
                overrides=[*overrides],
                cfg=job.composed,
                working_dir=str(Path.cwd()),
                task_name=hydra.job.name,
                status=JobStatus.COMPLETED,
            )
            for overrides, job in zip(job_overrides, self.jobs, strict=True)
        ]


def register_plugin() -> None:
    """Make the launcher known to Hydra, which finds plugins as members of `hydra_plugins`."""
    Plugins.instance().register(PackedLauncher)
    if "hydra_plugins" not in sys.modules:  # no other plugin is installed
        package = sys.modules["hydra_plugins"] = ModuleType("hydra_plugins")
        package.__path__ = []
    sys.modules["hydra_plugins.rnn_bench"] = sys.modules[__name__]

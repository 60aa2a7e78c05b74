"""Hydra's sweeper `search`: makes the runs that a search asks for, with Hydra's launcher.

Hydra imports this module whenever it starts, so slow imports wait until a search runs.
"""

from collections.abc import Mapping
from typing import Any

from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class SearchSweeper(Sweeper):
    """Hands the search of the command, which it has checked, Hydra's launcher."""

    def __init__(self, params: Mapping[str, str] | None = None) -> None:
        super().__init__()

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Set up the launcher."""
        self.sweep_id = str(config.sweep_id)
        self.launch = (
            Plugins.instance()
            .instantiate_launcher(
                hydra_context=hydra_context, task_function=task_function, config=config
            )
            .launch
        )

    def sweep(self, arguments: list[str]) -> Any:
        """Make the search.

        Raises:
            KeyboardInterrupt: a signal ended it.
        """
        from rnn_bench.sweep.search.search import SEARCHES

        SEARCHES[self.sweep_id].run(self.launch, arguments)

"""The keys of the packed launcher, `hydra/launcher=packed`."""

from dataclasses import dataclass
from typing import Any

from hydra.core.config_store import ConfigStore

from rnn_bench.config.options import POSITIVE, Allowed, Option, at_least, key


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 1


def _is_gpu_list(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(type(n) is int and n >= 0 for n in value)


COUNT = Allowed(
    "auto, or a whole number of at least 1", lambda value: value == "auto" or _is_count(value)
)
GPUS = Allowed(
    "auto, or a list of numbers such as [0,1]",
    lambda value: value == "auto" or (_is_gpu_list(value) and len({*value}) == len(value)),
)


@dataclass
class Packed(Option):
    """How a sweep's runs are packed onto this machine, a process for each."""

    group = "hydra.launcher"
    # Hydra makes launchers of this package only.
    _target_: str = "hydra_plugins.rnn_bench.PackedLauncher"
    jobs: Any = key("auto", "runs at once on the CPU; auto: its cores over a run's threads", COUNT)
    gpus: Any = key("auto", "GPUs by nvidia-smi's numbers; auto: all that are visible", GPUS)
    jobs_per_gpu: Any = key("auto", "runs at once on a GPU; auto: by its free memory", COUNT)
    retries: int = key(0, "further attempts at a run that failed", at_least(0))
    start_timeout: float = key(300.0, "seconds until a run that does not start failed", POSITIVE)


def register_launcher() -> None:
    """Put the schema where Hydra finds launchers."""
    ConfigStore.instance().store(
        group="hydra/launcher", name="packed", node=Packed, provider="rnn_bench"
    )

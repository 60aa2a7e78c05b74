"""Hydra's launchers: the keys of `packed`, and the plugins for clusters."""

from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig

from rnn_bench.config.options import POSITIVE, Allowed, Option, at_least, key, one_of

# Launchers of plugins, and the extra of this package that installs the plugin.
EXTRAS = {"submitit_slurm": "slurm", "submitit_local": "slurm", "ray": "ray", "ray_aws": "ray"}

# For conf/hydra/launcher: the resources of a job on a cluster.
RESOLVERS = {
    "threads_of_a_job": lambda threads: threads or 1,  # as a run of a sweep has by default
    "gpus_of_a_job": lambda device: None if device in ("cpu", "mps") else 1,
}


def _are_gpus(value: Any) -> bool:
    numbers = value if isinstance(value, list | tuple) else [-1]
    return all(type(n) is int and n >= 0 for n in numbers) and len({*numbers}) == len(numbers)


COUNT = Allowed(
    "auto, or a whole number of at least 1",
    lambda value: value == "auto" or (type(value) is int and value >= 1),
)
COUNT_ON_GPU = Allowed(
    "auto, measured, or a whole number of at least 1",
    lambda value: value == "measured" or COUNT.accepts(value),
)
GPUS = Allowed(
    "auto, or a list of numbers such as [0,1]", lambda value: value == "auto" or _are_gpus(value)
)


@dataclass
class Packed(Option):
    """How a sweep's runs are packed onto this machine, a process for each."""

    group = "hydra.launcher"
    _target_: str = "hydra_plugins.rnn_bench_launcher.PackedLauncher"
    jobs: Any = key("auto", "runs at once on the CPU; auto: its cores over a run's threads", COUNT)
    gpus: Any = key("auto", "GPUs by nvidia-smi's numbers; auto: all that are visible", GPUS)
    jobs_per_gpu: Any = key(
        "auto",
        "runs at once on a GPU; auto: by its free memory, at most 8; measured: 1, 2, 4 ... as long "
        "as more train 5 % faster together",
        COUNT_ON_GPU,
    )
    mps: str = key(
        "off",
        "auto: runs of a GPU compute at the same time, by NVIDIA's MPS where it can be started",
        one_of("auto", "off"),
    )
    retries: int = key(0, "further attempts at a run that failed", at_least(0))
    start_timeout: float = key(300.0, "seconds until a run that does not start failed", POSITIVE)


@dataclass(frozen=True)
class Engine:
    """The system that a plugin's launcher submits jobs to. `name` is slurm, ray, or local for
    submitit's processes on this machine; jobs of a remote one may run on other machines."""

    name: str
    is_remote: bool


def engine_of(launcher: DictConfig) -> Engine | None:
    """Return the system that a composed `hydra.launcher` submits jobs to; None if it starts them
    itself."""
    target = str(launcher._target_)
    if target.endswith(".SlurmLauncher"):
        return Engine("slurm", is_remote=True)
    if target.endswith(".LocalLauncher"):
        return Engine("local", is_remote=False)
    if target.endswith((".RayLauncher", ".RayAWSLauncher")):
        # A Ray without an address is started on this machine.
        return Engine("ray", is_remote="AWS" in target or bool(launcher.ray.init.get("address")))
    return None


def missing_plugin(option: str) -> str:
    """Return how to install the plugin that has a launcher; "" if no plugin has it."""
    if option not in EXTRAS:
        return ""
    return (
        f"hydra/launcher={option} comes with a plugin that is not installed. Install it with: "
        f"pip install 'rnn_bench[{EXTRAS[option]}]'"
    )

"""Launchers that carry a sweep to other machines: Slurm through submitit, and Ray."""

from dataclasses import dataclass
from typing import Any

# Hydra's launchers that come with a plugin, and the extra of this package that installs it.
EXTRAS = {"submitit_slurm": "slurm", "submitit_local": "slurm", "ray": "ray", "ray_aws": "ray"}

RESOLVERS = {
    # A run has one thread unless it is told otherwise.
    "threads_of_a_job": lambda threads: threads or 1,
    "gpus_of_a_job": lambda device: None if device in ("cpu", "mps") else 1,
}


@dataclass(frozen=True)
class Engine:
    """What a plugin's launcher hands jobs to: slurm, ray, or local for submitit's own processes.
    A Ray without an address is one that is started here."""

    name: str
    is_remote: bool


def engine(launcher: Any) -> Engine | None:
    """What carries the jobs of a Hydra launcher; None if Hydra or this package does."""
    target = str(launcher._target_)
    if target.endswith(".SlurmLauncher"):
        return Engine("slurm", is_remote=True)
    if target.endswith(".LocalLauncher"):
        return Engine("local", is_remote=False)
    if target.endswith((".RayLauncher", ".RayAWSLauncher")):
        remote = "AWS" in target or bool(launcher.ray.init.get("address"))
        return Engine("ray", is_remote=remote)
    return None


def without_plugin(option: str) -> str:
    """What is wrong with a `hydra/launcher` that Hydra does not find, if its plugin is missing;
    else nothing."""
    if option not in EXTRAS:
        return ""
    return (
        f"hydra/launcher={option} comes with a plugin that is not installed. Install it with: "
        f"pip install 'rnn_bench[{EXTRAS[option]}]'"
    )

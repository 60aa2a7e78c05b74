"""Launchers that carry a sweep to other machines: Slurm through submitit, and Ray."""

from typing import Any

# Hydra's launchers that come with a plugin, and the extra of this package that installs it.
EXTRAS = {"submitit_slurm": "slurm", "submitit_local": "slurm", "ray": "ray", "ray_aws": "ray"}

RESOLVERS = {
    # A run has one thread unless it is told otherwise.
    "threads_of_a_job": lambda threads: threads or 1,
    "gpus_of_a_job": lambda device: None if device in ("cpu", "mps") else 1,
}


def engine(launcher: Any) -> str | None:
    """What carries the jobs to other machines: "slurm", "ray", or None where they stay on this
    one. A Ray launcher without an address starts a Ray of its own here."""
    target = str(launcher._target_)
    if target.endswith(".SlurmLauncher"):
        return "slurm"
    if target.endswith((".RayLauncher", ".RayAWSLauncher")):
        return "ray" if "AWS" in target or launcher.ray.init.get("address") else None
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

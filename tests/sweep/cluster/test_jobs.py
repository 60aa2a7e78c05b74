"""What the package relies on in submitit, in Hydra's plugin for it, and in Ray's."""

import importlib
import inspect

import pytest

from rnn_bench.sweep.cluster.jobs import JOBS

# The module of each engine's launcher, and how it calls the functions that are replaced.
LAUNCHERS = {
    "local": (
        "hydra_plugins.hydra_submitit_launcher.submitit_launcher",
        ".map_array(",
        ".results()",
    ),
    "slurm": (
        "hydra_plugins.hydra_submitit_launcher.submitit_launcher",
        ".map_array(",
        ".results()",
    ),
    "ray": ("hydra_plugins.hydra_ray_launcher._core", "launch_job_on_ray(", "ray.get("),
}


@pytest.mark.parametrize("engine", JOBS)
def test_a_launcher_calls_the_functions_that_are_replaced(engine: str) -> None:
    module, begins, waits = LAUNCHERS[engine]
    pytest.importorskip(module.split("._")[0].removesuffix(".submitit_launcher"))
    source = inspect.getsource(importlib.import_module(module))
    assert begins in source
    assert waits in source
    begin, result, dead = JOBS[engine]().functions()
    for owner, name in (begin, result):
        assert callable(getattr(owner, name))
    assert (dead if engine == "ray" else dead[0]).return_value is None

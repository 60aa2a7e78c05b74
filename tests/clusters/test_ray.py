"""A Ray cluster of two nodes on this machine."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clusters.conftest import (
    Sweeps,
    assert_ctrl_c_ends_the_jobs,
    assert_the_living_are_answered_and_the_dead_is_named,
)

LOOPBACK = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # keeps every port on 127.0.0.1
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": "0" * 32,
    "RAY_USAGE_STATS_ENABLED": "0",
}
NODE = {
    "num_cpus": 1,
    "num_gpus": 1,
    "object_store_memory": 80 * 2**20,
    "node_ip_address": "127.0.0.1",
}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a cluster whose nodes know nothing of the sweep's folder and environment."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in LOOPBACK.items():  # before Ray is imported
            patch.setenv(name, value)
        pytest.importorskip("ray", reason="there is no Ray; make test-ray installs it")
        from ray.cluster_utils import Cluster

        patch.chdir(tmp_path_factory.mktemp("nodes"))
        nodes = Cluster(initialize_head=True, head_node_args={"include_dashboard": False, **NODE})
        try:
            nodes.add_node(**NODE)
            yield nodes.address
        finally:
            nodes.shutdown()


def test_a_sweep_on_ray(cluster: str, tracking_server: str, workplace: Path) -> None:
    address = f"hydra.launcher.ray.init.address={cluster}"
    assert_the_living_are_answered_and_the_dead_is_named(
        Sweeps(workplace, tracking_server, dict(os.environ)),
        preset=["hydra/launcher=ray_cluster", address],
        plugin=[
            "hydra/launcher=ray",
            address,
            "+hydra.launcher.ray.init.object_store_memory=null",
            "+hydra.launcher.ray.remote.max_retries=0",
        ],
    )


def test_ctrl_c_on_ray(cluster: str, tracking_server: str, workplace: Path) -> None:
    sweeps = Sweeps(workplace, tracking_server, dict(os.environ))
    address = f"hydra.launcher.ray.init.address={cluster}"
    assert_ctrl_c_ends_the_jobs(sweeps, ["hydra/launcher=ray_cluster", address])

"""Debian's Slurm, with two nodes on this machine."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clusters.conftest import (
    Sweeps,
    assert_ctrl_c_ends_the_jobs,
    assert_the_living_are_answered_and_the_dead_is_named,
)
from tests.clusters.servers import slurm


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    if os.geteuid() != 0:
        pytest.skip("Slurm's servers are started as root only")
    if not shutil.which("slurmctld", path=f"{os.environ['PATH']}:/usr/sbin"):
        pytest.skip("there is no Slurm; on Debian: apt install slurm-wlm")
    with slurm(tmp_path_factory.mktemp("slurm")) as environment:
        yield environment


def test_a_sweep_on_slurm(cluster: dict[str, str], tracking_server: str, workplace: Path) -> None:
    assert_the_living_are_answered_and_the_dead_is_named(
        Sweeps(workplace, tracking_server, cluster),
        preset=["hydra/launcher=slurm", "hydra.launcher.partition=gpu"],
        plugin=["hydra/launcher=submitit_slurm", "hydra.launcher.partition=gpu"],
    )


def test_ctrl_c_on_slurm(cluster: dict[str, str], tracking_server: str, workplace: Path) -> None:
    preset = ["hydra/launcher=slurm", "hydra.launcher.partition=gpu"]
    assert_ctrl_c_ends_the_jobs(Sweeps(workplace, tracking_server, cluster), preset)
    queue = subprocess.run(["squeue", "--noheader"], env=cluster, capture_output=True, text=True)
    assert (queue.returncode, queue.stdout) == (0, "")

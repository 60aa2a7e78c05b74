import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def small_disk(workplace: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A file system of 300 kB, or of the test's own size."""
    folder = workplace / "small"
    folder.mkdir()
    size = getattr(request, "param", "300k")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small file system cannot be mounted here; it needs root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)

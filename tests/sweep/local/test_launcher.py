"""The keys of the packed launcher."""

from collections.abc import Callable

import pytest
from mlflow.entities import Run

from tests.conftest import Command

Runs = Callable[[], list[Run]]


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("hydra.launcher.jobs=0", "hydra.launcher.jobs=0 is not possible"),
        ("hydra.launcher.jobs_per_gpu=many", "hydra.launcher.jobs_per_gpu=many is not possible"),
        (
            "hydra.launcher.jobs_per_gpu=0",
            "it must be auto, measured, or a whole number of at least",
        ),
        ("hydra.launcher.jobs=measured", "hydra.launcher.jobs=measured is not possible"),
        ("hydra.launcher.gpus=[7]", "there is no GPU 7"),
        ("hydra.launcher.mps=on", "hydra.launcher.mps=on is not possible: it must be one of auto"),
        ("hydra.launcher.retries=-1", "hydra.launcher.retries=-1 is not possible"),
        ("hydra.launcher.start_timeout=0", "hydra.launcher.start_timeout=0"),
        ("hydra.launcher.job=2", "Did you mean hydra.launcher.jobs?"),
        ("hydra.launcher.jobs=1,2", "'hydra.launcher.jobs=1,2'"),
        ("hydra/launcher=pakced", "Did you mean packed?"),
        ("hydra/launcher=ray", "pip install 'rnn_bench[ray]'"),
    ],
)
def test_a_wrong_launcher_key_is_refused(
    override: str, says: str, rnn_bench: Command, recorded_runs: Runs
) -> None:
    answer = rnn_bench("-m", override)
    assert answer.status == 2
    assert says in answer.err
    assert len(answer.err.splitlines()) <= 6
    assert recorded_runs() == []

"""A search that is killed."""

import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from tests.conftest import SMALL_CORPUS
from tests.survival.long_run import started, wait_for
from tests.survival.test_survival import kill_with_all

SEARCH = (
    *("-m", "hydra/sweeper=search", "model=rnn,gru", *SMALL_CORPUS, "protocol.epochs=3"),
    *("search.trials=12", "search.batch=2", "search.seeds=2", "hydra.launcher.jobs=2"),
    "search.space.optimizer.lr={low:0.0001,high:0.1,log:true}",
    "search.space.model.hidden_size={low:4,high:16,int:true}",
)
KEYS = ("model.name", "optimizer.lr", "model.hidden_size", "seed")


def recorded(folder: Path) -> list[Run]:
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("rnn-bench")
    runs = [*client.search_runs([experiment.experiment_id])] if experiment else []
    return [run for run in runs if run.info.status == "FINISHED"]


def told(runs: list[Run]) -> set[tuple[str, ...]]:
    """Each run's settings, number of its trial and validation loss."""
    return {
        (
            *(run.data.params[key] for key in KEYS),
            run.data.tags.get("trial", "final"),
            str(run.data.metrics["val_loss"]),
        )
        for run in runs
    }


def test_a_search_killed_three_times_ends_with_the_trials_of_an_undisturbed_one(
    workplace: Path, new_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for count in (3, 10, 18):
        process = started(*SEARCH)
        wait_for(lambda count=count: len(recorded(workplace)) >= count, process)  # type: ignore[misc]
        kill_with_all(process)
        assert len(recorded(workplace)) < 28, "it had not ended"
    process = started(*SEARCH)
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 0, out
    survived = recorded(workplace)
    assert len(survived) == 2 * 12 + 2 * 2

    other = workplace / "undisturbed"
    other.mkdir()
    shutil.copy(new_store, other / "mlflow.db")
    monkeypatch.chdir(other)
    process = started(*SEARCH)
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 0, out
    assert told(survived) == told(recorded(other))

"""Runs that lose their claim to another process while they train."""

from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow.entities import Run

from rnn_bench.tracking.claims import RunClaims
from rnn_bench.tracking.rows import Withdrawn
from tests.conftest import SMALL, Command

Runs = Callable[[], list[Run]]
LoseClaim = Callable[[Callable[[RunClaims, str], None]], None]


@pytest.fixture
def lose_claim(monkeypatch: pytest.MonkeyPatch) -> LoseClaim:
    """Lets something happen when the claim is confirmed after the first epoch, once."""
    confirm, confirmed = RunClaims.confirm, list[str]()

    def lose(happen: Callable[[RunClaims, str], None]) -> None:
        def confirm_or_lose(claims: RunClaims, run_id: str) -> None:
            confirmed.append(run_id)
            if len(confirmed) == 2:
                happen(claims, run_id)
            confirm(claims, run_id)

        monkeypatch.setattr(RunClaims, "confirm", confirm_or_lose)

    return lose


def test_a_run_that_is_withdrawn_keeps_its_row_and_is_claimed_again(
    lose_claim: LoseClaim, rnn_bench: Command, recorded_runs: Runs
) -> None:
    def withdraw(claims: RunClaims, run_id: str) -> None:
        assert claims.client.get_run(run_id).info.status == "RUNNING"
        raise Withdrawn("it is taken over")

    lose_claim(withdraw)
    answer = rnn_bench(*SMALL)
    assert answer.status == 0
    assert "continues in another process: it is taken over" in answer.out
    assert "goes on after epoch 1" in answer.out
    (run,) = recorded_runs()
    assert run.info.status == "FINISHED"
    assert run.data.tags[f"sweep.{run.data.tags['sweep_id']}"] == "resumed"


def test_a_run_whose_row_is_a_duplicate_leaves_no_files_and_reuses_the_other_s_result(
    lose_claim: LoseClaim, rnn_bench: Command, recorded_runs: Runs
) -> None:
    assert rnn_bench(*SMALL).status == 0
    (other,) = recorded_runs()

    def finish_elsewhere(claims: RunClaims, run_id: str) -> None:
        claims.config.rerun = False  # the older row counts from now on

    lose_claim(finish_elsewhere)
    answer = rnn_bench(*SMALL, "rerun=true")
    assert answer.status == 0
    assert f"continues in another process: run {other.info.run_id} is older" in answer.out
    assert f"reused: run {other.info.run_id}" in answer.out
    assert [run.info.run_id for run in recorded_runs()] == [other.info.run_id]
    assert [folder.name for folder in Path("outputs/runs").iterdir()] == [other.info.run_id]

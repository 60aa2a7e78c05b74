"""How far a sweep has come, and the time that is left."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from rnn_bench.sweep.local.devices import CUDA_CONTEXT, memory_need
from rnn_bench.sweep.local.queued_run import seconds_left
from rnn_bench.training.events import BatchDone, Ended, EpochDone, Started, Waiting
from tests.sweep.local.conftest import NewRun
from tests.sweep.local.test_progress_table import result


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("rnn_bench.sweep.local.queued_run.time", SimpleNamespace(monotonic=clock))
    return clock


def test_a_run_s_time_left_follows_its_pace(new_run: NewRun, clock: Clock) -> None:
    progress = new_run(estimate=60.0).progress
    assert progress.seconds_left() is None
    progress.observe(Started("id", "gru", epochs=10, done=4))
    assert progress.seconds_left() is None, "there is no pace yet"
    clock.now += 6.0
    progress.observe(BatchDone(50, 100))
    assert progress.seconds_left() == pytest.approx(5.5 * 6.0 / 0.5)


def test_a_run_s_pace_has_its_tokens_and_the_memory_that_it_held_over_the_estimate(
    new_run: NewRun,
) -> None:
    run = new_run()
    run.progress.observe(Started("id", "gru", epochs=10, done=4))
    assert not run.progress.is_training, "its process warms up"
    run.progress.observe(BatchDone(50, 100))
    assert run.progress.is_training
    assert (run.pace.epoch, run.pace.memory) == (4, 0.0)
    assert run.pace.tokens == 4.5 * len(run.corpus.train.tokens)
    held = 2 * memory_need(run.job.config, run.corpus) - CUDA_CONTEXT
    run.progress.observe(EpochDone(result(5), 81_234.0, held))
    assert (run.pace.epoch, run.pace.memory) == (5, 2.0)
    cut = replace(result(6), share=0.4)  # by protocol.train_seconds
    run.progress.observe(EpochDone(cut, 81_234.0))
    assert run.pace.tokens == pytest.approx(5.4 * len(run.corpus.train.tokens))
    run.progress.observe(Ended("id", "finished", 0.9))
    assert not run.progress.is_training


def test_runs_that_differ_in_seed_and_optimizer_are_of_a_kind(new_run: NewRun) -> None:
    run, other = new_run(), new_run()
    other.job = replace(run.job, config=replace(run.job.config, seed=1, optimizer=None))
    assert run.kind == other.kind
    model = replace(run.job.config.model, hidden_size=64)
    larger = new_run()
    larger.job = replace(run.job, config=replace(run.job.config, model=model))
    assert larger.kind != run.kind


def test_waiting_runs_count_their_estimate_times_actual_over_estimated(
    new_run: NewRun, clock: Clock
) -> None:
    done, waiting, longest = new_run(estimate=10.0), new_run(estimate=20.0), new_run(estimate=60.0)
    assert seconds_left([done, waiting, longest], 2) is None, "there is no pace yet"
    done.progress.observe(Started("id", "gru", epochs=1))
    clock.now += 30.0
    done.progress.observe(Ended("id", "finished", 0.9))
    assert seconds_left([done, waiting], 2) == pytest.approx(20.0 * 3), "one run has one slot"
    assert seconds_left([done, waiting, longest], 1) == pytest.approx((20.0 + 60.0) * 3)
    assert seconds_left([done, waiting, longest], 2) == pytest.approx(60.0 * 3)


def test_a_reused_run_says_nothing_about_the_pace(new_run: NewRun) -> None:
    reused, waiting = new_run(estimate=10.0), new_run(estimate=20.0)
    reused.progress.observe(Waiting())
    assert reused.progress.state == "elsewhere"
    reused.progress.observe(Ended("id", "reused", 0.9))
    assert reused.progress.is_over
    assert seconds_left([reused, waiting], 1) is None

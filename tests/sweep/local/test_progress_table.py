"""The table that a person sees while a sweep runs."""

import io
import logging
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from rnn_bench.sweep.local.progress_table import ProgressTable, cut_middle, render
from rnn_bench.sweep.local.queued_run import QueuedRun
from rnn_bench.training.epochs import EpochResult
from rnn_bench.training.events import BatchDone, Ended, EpochDone, Started
from tests.conftest import SMALL, changed
from tests.sweep.local.conftest import NewRun
from tests.training.test_console import shown_on_a_terminal


def result(epoch: int) -> EpochResult:
    return EpochResult(epoch, 0.51, 0.62, 0.7, seconds=2.0, training_seconds=1.5, ended_ms=0)


def drawn(runs: list[QueuedRun], height: int = 24, width: int = 100) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=False)
    console.print(render(runs, 2, console))
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue().splitlines()


@pytest.fixture
def training(new_run: NewRun) -> QueuedRun:
    run = new_run(0)
    run.progress.observe(Started("id", run.name, 15))
    run.progress.observe(EpochDone(result(1), 81_234.0))
    run.progress.observe(BatchDone(50, 100))
    return run


def test_a_row_says_how_far_a_run_is(training: QueuedRun) -> None:
    header, row, summary = drawn([training])
    assert header.split() == [
        *("run", "state", "epoch", "train", "loss", "val", "loss", "tokens/s", "time", "left")
    ]
    assert row.split()[:6] == ["gru-demo-s0", "training", "1/15", "0.5100", "0.6200", "81,234"]
    assert summary.startswith("0 of 1 runs done")


def test_the_time_left_is_at_most_what_the_protocol_leaves_for_training(
    training: QueuedRun,
) -> None:
    assert training.progress.began
    training.progress.began -= 100  # seconds, for 1.5 of 15 epochs
    alone = training.seconds_left()
    assert alone
    assert alone >= 900
    assert "15 min" in drawn([training])[1]
    protocol = replace(training.job.config.protocol, train_seconds=21.5)
    config = replace(training.job.config, protocol=protocol)
    training.job = replace(training.job, config=config)
    left = training.seconds_left()
    assert left is not None
    assert left <= 20, "1.5 s were trained"
    assert "min" not in "".join(drawn([training])[1:])
    protocol.train_seconds = 1.0
    assert training.seconds_left() == 0


def test_the_end_of_a_run_is_shown(training: QueuedRun, new_run: NewRun) -> None:
    training.progress.observe(Ended("id", "finished", 0.9366))
    failed = new_run(1)
    failed.progress.end("failed")
    lines = drawn([training, failed])
    assert "finished 0.9366" in lines[1]
    assert lines[-1].startswith("2 of 2 runs done (1 failed)")


def test_more_runs_than_rows_stay_readable(training: QueuedRun, new_run: NewRun) -> None:
    runs = [training, *(new_run(number) for number in range(1, 100))]
    runs[70].progress.end("failed")
    lines = drawn(runs, height=12)
    assert len(lines) <= 12
    text = "\n".join(lines)
    assert "gru-demo-s0 " in text
    assert "gru-demo-s70 " in text, "a failed run is shown"
    assert re.search(r"and \d+ waiting", text)
    assert "1 of 100 runs done (1 failed)" in text


def test_a_long_name_keeps_its_seed() -> None:
    long = "gru-demo-hidden_size64-embedding_dim50-s12"
    assert cut_middle(long, 20) == "gru-demo-…_dim50-s12"
    assert cut_middle("gru-demo-s0", 20) == "gru-demo-s0"


def test_a_person_sees_the_table_and_then_the_comparison(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    shown = shown_on_a_terminal("-m", *changed(SMALL, "protocol.epochs=4", "dataset.articles=2400"))
    assert "time left" in shown
    assert re.search(r"of 1 runs done", shown)
    assert "epoch  1/4" not in shown, "the log lines are in the runs' files"
    assert "best epoch" in shown.rpartition("runs done")[2]


@pytest.mark.parametrize("ci", ["", "true"])
def test_in_ci_there_are_lines(
    ci: str, training: QueuedRun, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CI", ci)
    caplog.set_level(logging.INFO, "rnn_bench")
    terminal = Console(file=io.StringIO(), width=100, force_terminal=True)
    monkeypatch.setattr("rnn_bench.sweep.local.progress_table.console", terminal)
    with ProgressTable([training], 1) as table:
        table.log(logging.INFO, "an epoch")
        table.refresh()
    assert isinstance(terminal.file, io.StringIO)
    assert ("runs done" in terminal.file.getvalue()) is not bool(ci)
    assert ("an epoch" in caplog.messages) is bool(ci)

"""The plan of a large sweep, and of one whose corpus is not there."""

from pathlib import Path

import pytest

from rnn_bench.commands.sweep_request import request_sweep
from rnn_bench.tracking.run_key import SweepKeys, run_key, run_name
from tests.conftest import SMALL_CORPUS, Command


def test_a_plan_downloads_nothing(rnn_bench: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(*of: object) -> None:
        raise AssertionError("a plan downloads")

    monkeypatch.setattr("rnn_bench.data.corpora.study.StudyCorpus.fetch", download)
    for words in (("dataset=isot",), (*SMALL_CORPUS, "evaluation.transfer=[kaggle]")):
        answer = rnn_bench("plan=true", *words)
        assert answer.status == 2
        assert "Get them with: python -m rnn_bench.data fetch" in answer.err


def test_runs_that_differ_in_their_seeds_alone_share_a_line_of_a_large_plan(
    rnn_bench: Command,
) -> None:
    answer = rnn_bench("-m", "model=gru,majority", "seed=range(0,300)", "plan=true", *SMALL_CORPUS)
    assert (answer.status, answer.err) == (0, "")
    assert answer.out.count("300 runs") == 2
    assert answer.out.splitlines()[-1].startswith("600 runs")


@pytest.mark.parametrize("line", ["seed=1,1", "optimizer.lr=0.001,1e-3", "threads=1,2"])
def test_a_question_asked_twice_is_one_run_of_the_plan(line: str, rnn_bench: Command) -> None:
    out = rnn_bench("-m", line, "plan=true", *SMALL_CORPUS).out
    assert len(out.splitlines()) == 3
    assert "1 run, about" in out


def test_a_large_plan_knows_what_is_answered(rnn_bench: Command) -> None:
    small = ("model=majority", *SMALL_CORPUS)
    assert rnn_bench("-m", "seed=3,4", *small).status == 0
    out = rnn_bench("-m", "seed=range(0,300)", "plan=true", *small).out
    assert [line.split()[-1] for line in out.splitlines() if "reused" in line] == ["reused"]
    assert "298 runs" in out
    assert ", 2 runs" in out


@pytest.mark.parametrize("other", ["model=gru,tfidf", "dataset.seed=${seed}"])
def test_jobs_of_a_plan_are_those_of_the_sweep(other: str, workplace: Path) -> None:
    words = ["-m", "seed=3,0,7", other, "hydra/launcher=basic"]
    planned, asked = request_sweep([*words, "plan=true"]), request_sweep(words)
    assert planned
    assert asked
    keys = SweepKeys()
    for plan, job in zip(planned.jobs, asked.jobs, strict=True):
        assert plan.config.seed == job.config.seed
        assert keys.run_key(plan.config, "x") == run_key(job.config, "x")
        assert keys.run_name(plan.config, plan.defaults) == run_name(job.config, job.defaults)


def test_a_wrong_seed_of_a_large_plan_is_refused(rnn_bench: Command) -> None:
    answer = rnn_bench("-m", "seed=1,2,4294967296", "plan=true")
    assert answer.status == 2
    assert "seed=4294967296 is not possible" in answer.err

"""Searching for settings that all models and corpora share."""

import json
import math
import re
from collections import Counter
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from mlflow.entities import Run

from rnn_bench.config.tracking import Tracking
from rnn_bench.report.assembly import assemble_report
from rnn_bench.report.contents import Section
from rnn_bench.run import run as make_run
from rnn_bench.sweep.search.halving import best_trials, mean_ranks
from rnn_bench.sweep.search.summary import shared_trials
from rnn_bench.tracking.store import open_store
from rnn_bench.tracking.trials import SearchedModel, SearchStage
from tests.conftest import SMALL, SMALL_CORPUS, Command
from tests.recorded import latest_results

STAGES = "search.stages=[{corpora:1,seeds:1},{best:3,corpora:2,seeds:1},{best:2,corpora:2,seeds:2}]"
HALVING = (
    *("-m", "hydra/sweeper=search", "hydra/launcher=basic", "model=rnn,gru,majority"),
    *(*SMALL_CORPUS, "dataset.noise=0,0.1", "seed=0,1", "threads=1", "protocol.epochs=2"),
    *("search.sampler=random", "search.trials=6", "search.seeds=1", STAGES),
    "search.space.optimizer.lr={low:0.001,high:0.1,log:true}",
    "search.space.protocol.readout=[mean,max]",
)


def search_section(folder: Path) -> Section:
    (section,) = [
        each for each in assemble_report(latest_results(folder)).sections if each.name == "search"
    ]
    return section


def settings(run: Run) -> tuple[str, str]:
    return run.data.params["optimizer.lr"], run.data.params["protocol.readout"]


def test_a_trial_is_ranked_by_the_mean_of_its_ranks() -> None:
    figures = {
        "rnn": {0: 0.1, 1: 0.2, 2: 0.3, 3: float("inf")},
        "gru": {0: 0.9, 1: 0.5, 2: 0.5},  # trial 3 failed
    }
    assert mean_ranks(figures) == {0: 2.0, 1: 1.75, 2: 2.25, 3: 4.0}


def test_the_best_of_each_stage_go_on_with_all_models(
    rnn_bench: Command, recorded_runs: Callable[[], list[Run]], tmp_path: Path
) -> None:
    answer = rnn_bench(*HALVING)
    assert answer.status == 0, answer.err
    runs = recorded_runs()
    trials = [run for run in runs if "trial" in run.data.tags]

    def made(corpus: str, seed: str) -> Counter[tuple[str, str]]:
        some = [
            run
            for run in trials
            if run.data.params["dataset.noise"] == corpus and run.data.params["seed"] == seed
        ]
        return Counter((run.data.tags["model"], run.data.tags["trial"]) for run in some)

    first, second, third = made("0.0", "0"), made("0.1", "0"), made("0.1", "1")
    assert first == {(model, str(n)): 1 for model in ("rnn", "gru") for n in range(6)}
    assert len(second) == 6
    assert {number for _, number in second} < {number for _, number in first}
    assert len(third) == 4
    assert {number for _, number in third} < {number for _, number in second}
    assert third == made("0.0", "1"), "the last stage has all corpora and seeds"
    assert not [run for run in trials if "test_accuracy" in run.data.metrics]

    # What goes on has the best mean rank of validation loss over models.
    losses: dict[str, dict[int, float]] = {}
    for run in trials:
        if (run.data.params["dataset.noise"], run.data.params["seed"]) == ("0.0", "0"):
            of_model = losses.setdefault(run.data.tags["model"], {})
            of_model[int(run.data.tags["trial"])] = lowest(tmp_path, run)
    ranks = mean_ranks(losses)
    assert {int(number) for _, number in second} == {*sorted(ranks, key=ranks.__getitem__)[:3]}

    finals = [run for run in runs if "trial" not in run.data.tags]
    assert len({settings(run) for run in finals if run.data.tags["model"] != "majority"}) == 1
    assert {(run.data.tags["model"], run.data.params["seed"]) for run in finals} == {
        (model, "2") for model in ("rnn", "gru", "majority")
    }
    assert all("test_accuracy" in run.data.metrics for run in finals)

    section = search_section(tmp_path)
    table = next(each for each in section.tables if each.name == "ranks")
    assert [row[2] for row in table.rows] == ["3", "3", "2", "1", "1", "1"]
    assert table.columns[4:] == ("rnn", "gru")
    chosen = str(table.rows[0][1])
    assert {settings(run) for run in trials if run.data.tags["trial"] == chosen} == {
        settings(run) for run in finals if run.data.tags["model"] != "majority"
    }
    assert f"Trial {chosen} has the best mean rank" in " ".join(section.text)
    assert "settings for all" in answer.out
    (figure,) = section.figures
    assert re.match(
        r"Of 6 trials the best mean rank is \d\.\d, with (optimizer\.lr [\d.]+|"
        r"protocol\.readout (mean|max)), ",
        figure.text,
    )
    assert {"lr", "readout", "mean", "max"} <= {*re.findall(r">(\w+)</text>", figure.svg)}

    again = rnn_bench(*HALVING)
    assert again.status == 0, again.err
    assert len(recorded_runs()) == len(runs), "a search that is over is not made again"


def test_a_stage_that_is_not_over_is_neither_shown_nor_compared(
    rnn_bench: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    begun = count(1)

    def interrupted(*arguments: Any) -> None:
        if next(begun) == 15:  # the third of stage 2
            raise KeyboardInterrupt
        make_run(*arguments)

    monkeypatch.setattr("rnn_bench.sweep.job.run", interrupted)
    answer = rnn_bench(*HALVING)
    assert answer.status == 130
    assert "validation loss" not in answer.out, "trials are in no table of results"
    assert "Stage 2 of 3 is not over: the same command goes on" in answer.out
    assert "Compare its runs" in answer.out
    section = search_section(tmp_path)
    table = next(each for each in section.tables if each.name == "ranks")
    assert [row[2] for row in table.rows] == 6 * ["1"]
    assert "Stage 2 of 3 is not over; so far trial" in " ".join(section.text)
    assert "is chosen for all" not in table.note


def test_each_setting_for_all_is_that_of_a_model_that_has_it(
    rnn_bench: Command, recorded_runs: Callable[[], list[Run]], tmp_path: Path
) -> None:
    answer = rnn_bench(
        *("-m", "hydra/sweeper=search", "hydra/launcher=basic", "model=tfidf,rnn"),
        *(*SMALL_CORPUS, "threads=1", "protocol.epochs=1", "search.sampler=random"),
        *("search.trials=2", "search.seeds=1", "search.stages=[{}]"),
        "search.space.optimizer.lr={low:0.001,high:0.1,log:true}",
        "search.space.model.c={low:1,high:100,log:true}",
    )
    assert answer.status == 0, answer.err
    chosen = {run.data.tags["model"]: run.data.params for run in recorded_runs()[-2:]}
    lr, c = chosen["rnn"]["optimizer.lr"], chosen["tfidf"]["model.c"]
    assert f"optimizer.lr={lr}, model.c={c}" in answer.out
    assert f"optimizer.lr={lr}, model.c={c}" in " ".join(search_section(tmp_path).text)
    assert "end of its space" not in answer.out


def test_trials_of_a_space_that_can_be_counted_are_different_settings(
    rnn_bench: Command, recorded_runs: Callable[[], list[Run]]
) -> None:
    answer = rnn_bench(
        *("-m", "hydra/sweeper=search", "hydra/launcher=basic", "model=rnn", *SMALL),
        *("search.sampler=random", "search.trials=4", "search.seeds=0", "search.stages=[{}]"),
        *("search.space.protocol.readout=[mean,max]", "search.space.optimizer.lr=[0.01,0.02]"),
    )
    assert answer.status == 0, answer.err
    assert len({settings(run) for run in recorded_runs()}) == 4
    tags = [run.data.tags for run in recorded_runs()]
    numbers = [json.loads(each[f"trial.{each['sweep_id']}"])["trials"] for each in tags]
    assert numbers == [[0], [1], [2], [3]]


def test_the_report_ranks_a_trial_without_a_result_as_the_search_does() -> None:
    """Trial 2 diverged in one model and trial 3 failed in all: both rank with the worst."""
    figures = {
        "rnn": {0: 0.1, 1: 0.2, 2: math.inf},
        "gru": {0: 0.2, 1: 0.3, 2: 0.1},
        "lstm": {0: 0.3, 1: 0.2, 2: 0.1},
    }
    models = [searched(name, each) for name, each in figures.items()]
    ranks = mean_ranks({name: {3: math.nan, **each} for name, each in figures.items()})
    shown = shared_trials(models, [SearchStage(4, (*figures,), (0,), is_over=True)])
    assert {each.number: each.rank for each in shown} == {n: ranks[n] for n in (0, 1, 2)}
    assert [each.number for each in shown] == best_trials(ranks, 3)


def searched(name: str, figures: dict[int, float]) -> Mock:
    trials = [Mock(number=number, runs=[Mock(parameters={})]) for number in figures]
    model = Mock(spec=SearchedModel, trials=trials, keys=[], first=Mock(tags={"model": name}))
    model.name = name
    model.figures.return_value = figures
    return model


def lowest(folder: Path, run: Run) -> float:
    client, _ = open_store(Tracking(uri=f"sqlite:///{folder / 'mlflow.db'}"))
    history = client.get_metric_history(run.info.run_id, "val_loss")
    return min(each.value for each in history)

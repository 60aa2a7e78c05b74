"""Searches that cannot be, refused before anything is trained."""

import sys
from collections.abc import Callable

import pytest
from mlflow.entities import Run

from tests.conftest import SMALL, Command

SEARCH = ("-m", "hydra/sweeper=search", "hydra/launcher=basic", "model=gru", *SMALL)
LR = "search.space.optimizer.lr=[0.01,0.1]"
HALVING = ("search.sampler=random",)
REFUSED = [
    ((), "search.space is empty"),
    (("search.trials=0", LR), "search.trials=0 is not possible"),
    (("search.seeds=-1", LR), "search.seeds=-1 is not possible"),
    (("search.trails=3", LR), "search.trails"),
    (("search.sampler=tpo", LR), "one of tpe, random, grid"),
    (("search.space.optimizer.lr={low:0.1,high:0.01}",), "low=0.1 must be below high=0.01"),
    (("search.space.optimizer.lr={low:0.1,high:0.1}",), "low=0.1 must be below high=0.1"),
    (("search.space.optimizer.lr={low:0,high:1,log:true}",), "must be above 0"),
    (("search.space.optimizer.lr={low:0,high:1,log:2}",), "must be true or false"),
    (("search.space.optimizer.lr={low:a,high:1}",), "low=a is not possible: it must be a number"),
    (("search.space.optimizer.lr={low:0.1}",), "high=None is not possible"),
    (("search.space.optimizer.lr={low:0.1,hi:1}",), "search.space.optimizer.lr.hi"),
    (("search.space.model.hidden_size={low:1.5,high:9,int:true}",), "must be whole"),
    (("search.space.model.hidden_size={low:1.5,high:9}",), "search.space.model.hidden_size"),
    (("search.space.model.hidden_size=[8,large]",), "search.space.model.hidden_size"),
    (("search.space.model.hidden_size=[8,[9]]",), "not [9]"),
    (("search.space.model.hidden_size=[8,8]",), "must list different values"),
    (("search.space.model.hidden_size=[]",), "must list different values"),
    (("search.space.model.hidden_size=8",), "set the key itself"),
    (("search.space.model.dropout={low:0,high:1}",), "at least 0 and below 1"),
    (("search.space.protocol.readout=[last,mean]",), "one of last_token"),
    (("search.space.optimizer.lrr=[1,2]",), "Did you mean optimizer.lr?"),
    (("search.space.model.c=[1,2]", LR), "no model of this search has that key (gru)"),
    (("search.space.dataset.fold=[0,1]",), "keys of model, optimizer and protocol"),
    (("search.space.optimizer=[adam,sgd]",), "keys of model, optimizer and protocol"),
    (("search.space.model.cell=[gru,lstm]",), "Sweep over it instead"),
    (("search.space.protocol.split_seed=[0,1]",), "validation does not compare its values"),
    (("search.space.optimizer.lr={low:1,high:2}", "search.sampler=grid"), "has no list"),
    (("search.pruner=median", LR), "sweep over several, such as seed=0,1,2"),
    (("search.stages=[{}]", LR), "search.sampler=tpe is not possible with search.stages"),
    ((*HALVING, "search.stages=[3]", LR), "write {best:8,corpora:6,seeds:1}"),
    ((*HALVING, "search.stages=[{keep:3}]", LR), "a stage has best, corpora, seeds"),
    ((*HALVING, "search.stages=[{seeds:0}]", LR), "must be a whole number above 0"),
    ((*HALVING, "search.stages=[{best:3}]", LR), "the first stage has all trials"),
    ((*HALVING, "search.stages=[{},{}]", LR), "lacks best"),
    ((*HALVING, "search.stages=[{},{best:30}]", LR), "keep fewer"),
    ((*HALVING, "search.stages=[{},{best:3,seeds:1}]", LR), "a later one has no fewer"),
    ((*HALVING, "search.stages=[{seeds:2}]", LR), "this sweep has 1"),
    ((*HALVING, "search.stages=[{corpora:2}]", LR), "this sweep has 1"),
    ((*HALVING, "search.stages={best:3}", LR), "must be a list"),
    ((*HALVING, "search.stages=[{}]", LR), "search.trials=30 is not possible with search.stages"),
    ((LR, "optimizer.lr=0.1,0.2"), "optimizer.lr is both swept over and searched"),
    (("search.space.protocol.readout=[last,mean]", "plan=true"), "one of last_token"),
    (
        ("protocol.parameters=1000", "search.space.model.hidden_size=[8,16]"),
        "not possible with protocol.parameters",
    ),
]


@pytest.mark.parametrize(("line", "says"), REFUSED, ids=lambda each: "".join(each)[:60])
def test_a_search_that_cannot_be_is_refused_with_the_key(
    line: tuple[str, ...],
    says: str,
    rnn_bench: Command,
    recorded_runs: Callable[[], list[Run]],
) -> None:
    lines = {key.partition("=")[0]: key for key in (*SEARCH, *line)}
    answer = rnn_bench(*lines.values())
    assert answer.status == 2
    assert says in answer.err
    assert len(answer.err.splitlines()) <= 6
    assert not recorded_runs()


@pytest.mark.parametrize(
    "line",
    [
        ("hydra/sweeper=search", LR, "model=gru"),
        ("-m", "search.trials=3", "model=gru"),
        ("search.trials=3", "model=gru"),
    ],
)
def test_keys_of_search_without_a_search_are_refused(
    line: tuple[str, ...], rnn_bench: Command
) -> None:
    answer = rnn_bench(*line, *SMALL)
    assert answer.status == 2
    assert "add -m hydra/sweeper=search" in answer.err


def test_a_run_that_reads_no_test_articles_cannot_be_asked_for_transfer(rnn_bench: Command) -> None:
    answer = rnn_bench("model=gru", "evaluation.test=false", "evaluation.gradient_flow=true")
    assert answer.status == 2
    assert "evaluation.gradient_flow reads test articles" in answer.err


def test_a_search_without_optuna_says_how_to_install_it(
    rnn_bench: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    answer = rnn_bench(*SEARCH, LR)
    assert answer.status == 2
    assert "pip install 'optuna" in answer.err


def test_a_preset_may_be_narrowed_to_models_that_lack_a_key_of_its_space(
    rnn_bench: Command,
) -> None:
    answer = rnn_bench("+experiment=search", "model=gru", "hydra/launcher=basic", "plan=true")
    assert answer.status == 0
    assert "model.c" not in answer.out

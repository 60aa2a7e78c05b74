"""Searching for each model's settings, on validation alone."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from mlflow.entities import Run

from rnn_bench.commands.sweep_request import request_sweep
from rnn_bench.config.tracking import Tracking
from rnn_bench.report.assembly import assemble_report
from rnn_bench.serving.registry import best_run
from rnn_bench.sweep.search.search import Search
from rnn_bench.tracking.store import open_store
from rnn_bench.tracking.sweeps import latest_sweep
from tests.conftest import SMALL, SMALL_CORPUS, Answer, Command, changed
from tests.recorded import latest_results

Runs = Callable[[], list[Run]]

SHORT = (*SMALL_CORPUS, "protocol.epochs=2", "threads=1")
MODELS = "model=rnn,tfidf,majority"
LR = "search.space.optimizer.lr={low:0.001,high:0.1,log:true}"
SEARCH = (
    *("-m", "hydra/sweeper=search", "hydra/launcher=basic", MODELS, *SHORT),
    *("search.trials=4", "search.batch=2", "search.seeds=2", LR),
    *("search.space.protocol.readout=[mean,max]", "search.space.model.c={low:1,high:100,log:true}"),
)
RNN = changed([line for line in SEARCH if "model.c" not in line], "model=rnn")


def trials(runs: list[Run]) -> list[Run]:
    return [run for run in runs if "trial" in run.data.tags]


def finals(runs: list[Run]) -> list[Run]:
    return [run for run in runs if "trial" not in run.data.tags]


def settings(run: Run) -> tuple[str, ...]:
    keys = ("model.name", "optimizer.lr", "protocol.readout", "model.c", "seed")
    return tuple(run.data.params.get(key, "") for key in keys)


def store_of(folder: Path) -> Tracking:
    return Tracking(uri=f"sqlite:///{folder / 'mlflow.db'}")


def history(folder: Path, run: Run, metric: str) -> list[float]:
    client, _ = open_store(store_of(folder))
    return [each.value for each in client.get_metric_history(run.info.run_id, metric)]


@pytest.fixture(scope="module")
def searched(
    tmp_path_factory: pytest.TempPathFactory, new_store: Path, compiled: Path
) -> tuple[Path, str]:
    """The folder of a search that is over, and what it printed."""
    folder = tmp_path_factory.mktemp("searched")
    shutil.copy(new_store, folder / "mlflow.db")
    environment = {**os.environ, "RNN_BENCH_CACHE": str(compiled)}
    environment.pop("MLFLOW_TRACKING_URI", None)
    command = [sys.executable, "-m", "rnn_bench", *changed(SEARCH, "search.trials=10")]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


@pytest.fixture
def runs(searched: tuple[Path, str]) -> list[Run]:
    """Every run of that search."""
    return [run.row for run in latest_results(searched[0]).sweep.runs]


def test_every_model_with_settings_gets_the_same_number_of_trials(runs: list[Run]) -> None:
    numbers = Counter((run.data.tags["model"], run.data.tags["trial"]) for run in trials(runs))
    assert numbers == {(model, str(n)): 1 for model in ("rnn", "tfidf") for n in range(10)}
    assert {run.data.params["seed"] for run in trials(runs)} == {"0"}
    assert len({settings(run) for run in trials(runs)}) == 20
    tuned = [run for run in trials(runs) if run.data.tags["model"] == "tfidf"]
    assert {run.data.params["optimizer.lr"] for run in tuned} == {"0.003"}, "it has no optimizer"
    assert all(1 <= float(run.data.params["model.c"]) <= 100 for run in tuned)


def test_the_best_on_validation_is_tested_with_fresh_seeds_and_no_other(
    runs: list[Run], searched: tuple[Path, str]
) -> None:
    seeds = Counter((run.data.tags["model"], run.data.tags["seed"]) for run in finals(runs))
    assert seeds == {(model, seed): 1 for model in ("rnn", "tfidf", "majority") for seed in "12"}
    assert all("test_accuracy" in run.data.metrics for run in finals(runs))
    for model in ("rnn", "tfidf"):
        own = [run for run in trials(runs) if run.data.tags["model"] == model]
        best = min(own, key=lambda run: min(history(searched[0], run, "val_loss")))
        chosen = {settings(run)[:-1] for run in finals(runs) if run.data.tags["model"] == model}
        assert chosen == {settings(best)[:-1]}


def test_trials_read_no_test_articles(runs: list[Run], searched: tuple[Path, str]) -> None:
    for run in trials(runs):
        assert not [name for name in run.data.metrics if "test" in name]
        assert run.data.tags["test"] == "unread"
        files = Path(run.info.artifact_uri.removeprefix("file://"))
        assert {file.name for file in files.iterdir()} == {"config.yaml", "log.txt"}
        assert "test accuracy" not in (files / "log.txt").read_text()
    before, _, comparison = searched[1].partition("The chosen configurations are trained")
    assert "finished, best epoch" in before
    assert "test accuracy" not in before
    rows = [line for line in comparison.splitlines() if line.startswith("demo ")]
    assert len(rows) == 3, "a row for each model, none for a trial"


def test_the_report_shows_what_was_searched_and_compares_the_chosen_alone(
    searched: tuple[Path, str],
) -> None:
    found = latest_results(searched[0])
    assert [each.label for each in found.compared] == ["rnn", "tfidf", "majority"]
    assert {each.corpus for each in found.compared} == {"demo"}, "a searched readout is no corpus"
    report = assemble_report(found)
    (section,) = (each for each in report.sections if each.name == "search")
    tables = {table.name: table for table in section.tables}
    assert [row[:2] for row in tables["chosen"].rows] == [("demo", "rnn"), ("demo", "tfidf")]
    assert {row[3] for row in tables["chosen"].rows} == {"10 of 10"}
    assert [*tables["expected"].columns[2:]] == [
        *("1 trial", "2 trials", "3 trials", "5 trials", "10 trials")
    ]
    for row in tables["expected"].rows:
        losses = [float(str(cell)) for cell in row[2:]]
        assert losses == sorted(losses, reverse=True)
    (importance,) = tables["importance"].rows
    assert importance[:2] == ("demo", "rnn"), "one key's importance says nothing"
    assert sum(float(str(share)) for share in importance[2:]) == pytest.approx(1, abs=0.02)
    (figure,) = section.figures
    assert "Expected best validation loss" in figure.title


def test_a_trial_is_no_champion(searched: tuple[Path, str]) -> None:
    sweep = latest_results(searched[0]).sweep
    client, experiment_id = open_store(store_of(searched[0]))
    run, candidates = best_run(client, experiment_id, sweep.id, None)
    assert candidates == 6
    assert run.tags["seed"] in ("1", "2")


def test_optunas_dashboard_finds_every_trial(searched: tuple[Path, str]) -> None:
    storage = sqlite3.connect(searched[0] / "outputs" / "search.db")
    count = "SELECT count(*), min(state), max(state) FROM trials"
    assert storage.execute(count).fetchone() == (20, "COMPLETE", "COMPLETE")
    assert storage.execute("SELECT count(*) FROM studies").fetchone() == (2,)
    storage.close()


def test_a_finished_search_is_not_made_again(rnn_bench: Command, recorded_runs: Runs) -> None:
    first = rnn_bench(*RNN)
    before = recorded_runs()
    again = rnn_bench(*RNN)
    assert again.status == 0
    after = recorded_runs()
    assert [run.info.run_id for run in after] == [run.info.run_id for run in before]
    for run in after:
        assert sorted(v for k, v in run.data.tags.items() if k.startswith("sweep.")) == [
            *("reused", "trained")
        ]
    assert chosen(first) == chosen(again)


def chosen(answer: Answer) -> list[str]:
    lines = answer.out.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("searched"))
    return lines[start : start + 2]


def test_a_longer_search_begins_with_the_trials_of_a_shorter_one(
    rnn_bench: Command, recorded_runs: Runs
) -> None:
    rnn_bench(*RNN)
    short = {(settings(run), run.data.tags["trial"]) for run in trials(recorded_runs())}
    rnn_bench(*changed(RNN, "search.trials=6"))
    long = {(settings(run), run.data.tags["trial"]) for run in trials(recorded_runs())}
    assert short < long
    assert len(long) == 6


def test_an_ordinary_run_is_no_answer_to_a_trial_nor_a_trial_to_it(
    rnn_bench: Command, recorded_runs: Runs
) -> None:
    for untested in ("true", "false", "true"):
        assert rnn_bench("-m", "model=rnn", *SMALL, f"evaluation.test={untested}").status == 0
    tested, untested_run = recorded_runs()
    assert "test_accuracy" in tested.data.metrics
    assert "test_accuracy" not in untested_run.data.metrics
    assert tested.data.tags["config_key"] != untested_run.data.tags["config_key"]


def test_a_sweep_without_test_is_compared_by_validation_loss(rnn_bench: Command) -> None:
    answer = rnn_bench("-m", "model=rnn,tfidf", *SHORT, "evaluation.test=false")
    assert answer.status == 0
    assert "test accuracy" not in answer.out
    header = next(line for line in answer.out.splitlines() if line.startswith("dataset"))
    assert header.split() == [*("dataset", "model", "validation", "loss", "best", "epoch", "runs")]


@pytest.mark.parametrize("pruner", ["median", "wilcoxon"])
def test_a_pruner_ends_hopeless_trials_before_their_last_seed(
    pruner: str, rnn_bench: Command, recorded_runs: Runs
) -> None:
    space = "search.space.optimizer.lr=[0.03,0.02,0.01,0.000001,0.000002,0.000003,0.000004]"
    answer = rnn_bench(
        *("-m", "hydra/sweeper=search", "hydra/launcher=basic", "model=rnn", *SMALL),
        *("seed=0,1,2,3,4,5,6", "search.sampler=grid", f"search.pruner={pruner}"),
        *("search.seeds=2", space),
    )
    assert answer.status == 0, answer.err
    seeds = Counter(run.data.params["optimizer.lr"] for run in trials(recorded_runs()))
    assert len(seeds) == 7
    assert max(seeds.values()) == 7
    assert min(seeds.values()) < 7
    assert "ended early" in answer.out
    assert {run.data.params["seed"] for run in finals(recorded_runs())} == {"7", "8"}


def test_a_grid_tries_every_combination_once(rnn_bench: Command, recorded_runs: Runs) -> None:
    rnn_bench(
        *("-m", "hydra/sweeper=search", "hydra/launcher=basic", "model=rnn", *SMALL),
        *("search.sampler=grid", "search.seeds=1", "search.space.optimizer.lr=[0.01,0.1]"),
        "search.space.protocol.readout=[mean,max]",
    )
    tried = [settings(run)[1:3] for run in trials(recorded_runs())]
    assert tried == [("0.01", "mean"), ("0.01", "max"), ("0.1", "mean"), ("0.1", "max")]


def test_trials_that_are_equal_are_one_run(rnn_bench: Command, recorded_runs: Runs) -> None:
    rnn_bench(
        *("-m", "hydra/sweeper=search", "hydra/launcher=basic", "model=rnn", *SMALL),
        *("search.trials=5", "search.seeds=1", "search.space.protocol.readout=[mean,max]"),
    )
    found = trials(recorded_runs())
    assert len(found) == 2
    tags = [
        json.loads(value)
        for run in found
        for name, value in run.data.tags.items()
        if name.startswith("trial.")
    ]
    assert sorted(n for tag in tags for n in tag["trials"]) == [0, 1, 2, 3, 4]


def test_the_figure_that_the_protocol_selects_by_chooses(
    rnn_bench: Command, recorded_runs: Runs
) -> None:
    rnn_bench(*changed(RNN, "search.trials=6"), "protocol.select_by=val_accuracy")
    best = max(max(history(Path.cwd(), run, "val_accuracy")) for run in trials(recorded_runs()))
    (model,) = latest_results(Path.cwd()).sweep.searched_models
    assert model.chosen
    assert model.chosen.figure == best


def test_a_damaged_note_of_a_search_costs_its_section_alone(
    rnn_bench: Command, workplace: Path
) -> None:
    rnn_bench(*RNN)
    client, experiment_id = open_store(Tracking())
    sweep_id = latest_sweep(client, experiment_id)
    client.set_experiment_tag(experiment_id, f"search.{sweep_id}", '{"space": 3, "models": []}')
    assert [each.label for each in latest_results(workplace).compared] == ["rnn"]
    assert assemble_report(latest_results(workplace)).sections
    client.set_experiment_tag(experiment_id, f"search.{sweep_id}", '{"models": {"rnn": 1}}')
    assert assemble_report(latest_results(workplace)).sections


def test_a_search_whose_storage_cannot_be_written_is_made_without(
    rnn_bench: Command, workplace: Path
) -> None:
    (workplace / "outputs" / "search.db").mkdir(parents=True)
    answer = rnn_bench(*RNN)
    assert answer.status == 0
    assert "search.db is not up to date" in answer.err + answer.out


def test_a_failed_trial_is_told_and_the_search_goes_on(
    rnn_bench: Command, recorded_runs: Runs, workplace: Path
) -> None:
    (workplace / "sometimes.py").write_text(
        "import torch\n"
        "from rnn_bench.models.recurrent import RecurrentClassifier\n"
        "class Sometimes(RecurrentClassifier):\n"
        "    def forward(self, tokens, lengths):\n"
        "        if self.hidden_size > 8:\n"
        "            raise RuntimeError('too large')\n"
        "        return super().forward(tokens, lengths)\n"
    )
    sys.path.insert(0, str(workplace))
    try:
        answer = rnn_bench(
            *("-m", "hydra/sweeper=search", "hydra/launcher=basic", "model=rnn", *SMALL),
            *("model._target_=sometimes.Sometimes", "search.sampler=grid", "search.seeds=1"),
            "search.space.model.hidden_size=[4,16]",
        )
    finally:
        sys.path.remove(str(workplace))
    assert answer.status == 1
    assert "too large" in answer.out
    assert "model.hidden_size was chosen at the lower end of its space" in answer.out
    (final,) = finals([run for run in recorded_runs() if run.info.status == "FINISHED"])
    assert final.data.params["model.hidden_size"] == "4"


def test_corpora_of_one_name_are_searched_each_by_itself(
    rnn_bench: Command, workplace: Path
) -> None:
    for folder in ("first", "second"):
        rows = [f"{folder} word {n} of many,{n % 2}\n" for n in range(60)]
        (workplace / folder).mkdir()
        (workplace / folder / "texts.csv").write_text("".join(["text,label\n", *rows]))
    answer = rnn_bench(
        *("-m", "hydra/sweeper=search", "hydra/launcher=basic", "model=tfidf", "dataset=table"),
        *("dataset.train=first/texts.csv,second/texts.csv", "search.trials=2", "search.seeds=1"),
        "search.space.model.c=[1,10,100]",
    )
    assert answer.status == 0
    models = latest_results(workplace).sweep.searched_models
    assert [model.name for model in models] == ["tfidf-texts", "tfidf-texts (2)"]
    assert [len(model.trials) for model in models] == [2, 2]


def test_values_that_are_not_possible_together_cost_their_trials_alone(
    rnn_bench: Command, recorded_runs: Runs
) -> None:
    answer = rnn_bench(
        *("-m", "hydra/sweeper=search", "hydra/launcher=basic", "model=rnn", "optimizer=sgd"),
        *(*SMALL, "optimizer.momentum=0.9", "search.sampler=grid", "search.seeds=1"),
        "search.space.optimizer.nesterov=[true,false]",
        "search.space.optimizer.momentum=[0.9,0]",
    )
    assert answer.status == 0, answer.err
    assert answer.out.count("Trial 1 is not possible: optimizer.nesterov=true needs") == 1
    assert len(trials(recorded_runs())) == 3
    assert len(finals(recorded_runs())) == 1


def test_jobs_of_other_machines_get_the_output_folder_that_all_share(workplace: Path) -> None:
    request = request_sweep(["-m", "hydra/sweeper=search", "model=rnn", *SMALL, LR, "output_dir=o"])
    assert request
    begun: list[Sequence[str]] = []
    search = Search(request.jobs)
    search.run(lambda lines, number: begun.extend(lines), ["seed=0", "output_dir='/shared/o'"])
    assert len(begun) == 30
    for lines in begun:
        folders = [line for line in lines if line.startswith("output_dir")]
        assert folders == ["output_dir='/shared/o'"]
    assert not search.is_over, "no trial has a result"


def test_a_plan_of_a_search_counts_its_runs_and_trains_nothing(
    rnn_bench: Command, recorded_runs: Runs
) -> None:
    answer = rnn_bench(*SEARCH, "plan=true", "seed=0,1")
    assert answer.status == 0
    rows = [line.split() for line in answer.out.splitlines() if "-demo-" in line]
    assert [(row[0].partition("-")[0], row[1:-3]) for row in rows] == [
        ("rnn", ["4", "x", "2", "seeds", "2"]),
        ("tfidf", ["4", "x", "2", "seeds", "2"]),
        ("majority", ["0", "2"]),
    ]
    assert "22 runs" in answer.out
    assert not recorded_runs()


def test_a_plan_expects_the_time_of_the_settings_that_are_searched(rnn_bench: Command) -> None:
    def expected(epochs: str) -> float:
        space = f"search.space.protocol.epochs={epochs}"
        out = rnn_bench(
            *("-m", "hydra/sweeper=search", "hydra/launcher=basic", "model=rnn", *SMALL_CORPUS),
            *("search.trials=2", "plan=true", space),
        ).out
        row = next(line for line in out.splitlines() if line.startswith("rnn-demo-"))
        return float(row.split()[-2])

    assert expected("[20000,20001]") == pytest.approx(4 * expected("[5000,5001]"), abs=2)

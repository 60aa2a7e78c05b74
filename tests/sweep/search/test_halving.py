"""Searching for settings that all models and corpora share."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from mlflow.entities import Run

from rnn_bench.config.tracking import Tracking
from rnn_bench.report.analysis import Results
from rnn_bench.report.assembly import assemble_report
from rnn_bench.sweep.search.halving import mean_ranks
from rnn_bench.tracking.store import open_store
from rnn_bench.tracking.sweeps import latest_sweep, read_sweep
from tests.conftest import SMALL_CORPUS, Command

STAGES = "search.stages=[{corpora:1,seeds:1},{best:3,corpora:2,seeds:1},{best:2,corpora:2,seeds:2}]"
HALVING = (
    *("-m", "hydra/sweeper=search", "hydra/launcher=basic", "model=rnn,gru,majority"),
    *(*SMALL_CORPUS, "dataset.noise=0,0.1", "seed=0,1", "threads=1", "protocol.epochs=2"),
    *("search.sampler=random", "search.trials=6", "search.seeds=1", STAGES),
    "search.space.optimizer.lr={low:0.001,high:0.1,log:true}",
    "search.space.protocol.readout=[mean,max]",
)


def results(folder: Path) -> Results:
    client, experiment_id = open_store(Tracking(uri=f"sqlite:///{folder / 'mlflow.db'}"))
    return Results(read_sweep(client, experiment_id, latest_sweep(client, experiment_id)))


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

    found = results(tmp_path)
    page = assemble_report(found)
    (section,) = [each for each in page.sections if each.name == "search"]
    table = next(each for each in section.tables if each.name == "ranks")
    assert [row[2] for row in table.rows] == ["3", "3", "2", "1", "1", "1"]
    assert table.columns[4:] == ("rnn", "gru")
    chosen = str(table.rows[0][1])
    assert {settings(run) for run in trials if run.data.tags["trial"] == chosen} == {
        settings(run) for run in finals if run.data.tags["model"] != "majority"
    }
    assert f"Trial {chosen} has the best mean rank" in " ".join(section.text)
    assert "settings for all" in answer.out

    again = rnn_bench(*HALVING)
    assert again.status == 0, again.err
    assert len(recorded_runs()) == len(runs), "a search that is over is not made again"


def lowest(folder: Path, run: Run) -> float:
    client, _ = open_store(Tracking(uri=f"sqlite:///{folder / 'mlflow.db'}"))
    history = client.get_metric_history(run.info.run_id, "val_loss")
    return min(each.value for each in history)

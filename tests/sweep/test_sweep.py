"""The command with several runs, and the comparison that it ends with."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow.entities import Run

from rnn_bench.config.tracking import Tracking
from rnn_bench.report.terminal import ui_command
from rnn_bench.tracking.store import store_uri
from tests.conftest import SMALL, SMALL_CORPUS, Command, changed
from tests.data.kaggle_server import kaggle_serving

Runs = Callable[[], list[Run]]


def test_a_sweep_compares_every_combination(
    rnn_bench: Command, recorded_runs: Runs, workplace: Path
) -> None:
    answer = rnn_bench("-m", "model=rnn,lstm,gru", "seed=0,1", *SMALL)
    assert answer.status == 0
    runs = recorded_runs()
    asked = {(model, seed) for model in ("rnn", "lstm", "gru") for seed in "01"}
    assert {(run.data.tags["model"], run.data.tags["seed"]) for run in runs} == asked
    assert len(runs) == 6
    assert len({run.data.tags["sweep_id"] for run in runs}) == 1
    assert len({run.data.tags["config_key"] for run in runs}) == 3
    lines = answer.out.splitlines()
    (header,) = (i for i, line in enumerate(lines) if line.startswith("dataset"))
    assert lines[header].split() == [
        *("dataset", "model", "test", "accuracy", "chance", "epoch", "time", "tokens/s", "seeds")
    ]
    rows = lines[header + 1 : header + 4]
    assert {row.split()[1].partition("-")[0] for row in rows} == {"rnn", "lstm", "gru"}
    assert all(row.split()[-1] == "2" for row in rows)
    accuracies = [float(row.split()[2]) for row in rows]
    assert accuracies == sorted(accuracies, reverse=True)
    # Such small networks learn nothing in two epochs.
    said = answer.out.replace("\n", " ").count("learned in 0 of 2 seeds")
    assert said == len([run for run in runs if run.data.tags["outcome"] == "unlearned"]) / 2 > 0
    assert f"mlflow ui --backend-store-uri sqlite:///{workplace / 'mlflow.db'}" in answer.out
    assert "/#/experiments/1/runs?compareRunsMode=CHART" in answer.out


def test_baselines_train_by_the_same_command(rnn_bench: Command, recorded_runs: Runs) -> None:
    answer = rnn_bench("-m", "model=tfidf,majority", *SMALL_CORPUS)
    assert answer.status == 0
    assert {run.data.tags["kernel"] for run in recorded_runs()} == {"scikit-learn"}


def test_the_best_possible_accuracy_is_recorded_and_said_of_every_split(
    rnn_bench: Command, recorded_runs: Runs
) -> None:
    sweep = ("model=majority", "dataset.noise=0.1", *SMALL_CORPUS)
    answer = rnn_bench("-m", "dataset.folds=4", "dataset.fold=0,1,2,3", *sweep)
    ceilings = [float(run.data.tags["best_possible_accuracy"]) for run in recorded_runs()]
    wrong = [round(48 * (1 - ceiling), 6) for ceiling in ceilings]
    assert len({*wrong}) > 1, "the test needs folds that differ"
    assert all(count.is_integer() for count in wrong), "each fold has 48 articles"
    best = f"{min(ceilings):.4f} to {max(ceilings):.4f}"
    assert (
        f"The best possible accuracy on demo is {best}: the other labels are noise." in answer.out
    )
    assert "best possible" not in rnn_bench("dataset.noise=0", "model=majority", *SMALL_CORPUS).out
    noisy_and_not = changed(sweep, "dataset.noise=0,0.1")
    assert " to 1.0000: the other labels" in rnn_bench("-m", *noisy_and_not).out
    noisy_and_not = changed(sweep, "dataset.noise=0,0.1")
    assert " to 1.0000: the other labels" in rnn_bench("-m", *noisy_and_not).out


def test_two_commands_are_two_sweeps_with_folders_of_their_own(
    rnn_bench: Command, workplace: Path
) -> None:
    rnn_bench("-m", "model=majority", *SMALL_CORPUS)
    rnn_bench("-m", "model=majority", *SMALL_CORPUS)
    assert len([*(workplace / "outputs" / "sweeps").iterdir()]) == 2


def test_a_failed_run_is_named_with_its_log_and_the_others_finish(
    rnn_bench: Command, recorded_runs: Runs, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workplace / "mine.py").write_text(
        "from torch import nn\n"
        "class Breaks(nn.Module):\n"
        "    def __init__(self, *, vocabulary_size, classes, readout):\n"
        "        raise RuntimeError('no memory left for this')\n"
    )
    (workplace / "conf" / "model").mkdir(parents=True)
    (workplace / "conf" / "model" / "breaks.yaml").write_text(
        "_target_: mine.Breaks\nname: breaks\n"
    )
    monkeypatch.syspath_prepend(workplace)
    answer = rnn_bench("--config-dir", "conf", "-m", "model=majority,breaks,tfidf", *SMALL_CORPUS)
    assert answer.status == 1
    outcomes = {run.data.tags["model"]: run.data.tags["outcome"] for run in recorded_runs()}
    assert outcomes == {"majority": "finished", "breaks": "failed", "tfidf": "finished"}
    (failed,) = (run for run in recorded_runs() if run.info.status == "FAILED")
    log = Path("outputs") / "runs" / failed.info.run_id / "log.txt"
    assert f"Failed: {failed.info.run_name}: RuntimeError: no memory left for this" in answer.out
    assert f"log: {log}" in answer.out
    assert "raise RuntimeError('no memory left for this')" in log.read_text()
    assert "Traceback" not in answer.out + answer.err
    sys.modules.pop("mine")


def test_a_plan_prints_new_and_reused_runs_with_times_and_trains_nothing(
    rnn_bench: Command, recorded_runs: Runs
) -> None:
    rnn_bench("model=lstm", *SMALL)
    answer = rnn_bench("-m", "model=rnn,lstm", "plan=true", *SMALL)
    rows = [line.split() for line in answer.out.splitlines()]
    assert answer.status == 0
    assert [row[1] for row in rows[1:3]] == ["new", "reused"]
    assert answer.out.splitlines()[-1].startswith("2 runs, one after another, about ")
    assert len(recorded_runs()) == 1


def test_a_plan_counts_the_runs_that_are_trained_at_once(rnn_bench: Command) -> None:
    packed = ("hydra/launcher=packed", "hydra.launcher.jobs=2", "protocol.epochs=15000")
    answer = rnn_bench("-m", "model=rnn", "seed=0,1", "plan=true", *packed, *SMALL_CORPUS)
    _, one, _, total = answer.out.splitlines()
    seconds = one.partition("about ")[2].strip()
    assert total.startswith(f"2 runs, 2 at once, about {seconds}; ")


def test_a_long_plan_is_in_hours(rnn_bench: Command) -> None:
    answer = rnn_bench("model=gru", "plan=true", "protocol.epochs=100000", "protocol.patience=null")
    assert " h " in answer.out


def test_missing_articles_stop_a_sweep_before_anything_trains(
    rnn_bench: Command, recorded_runs: Runs
) -> None:
    Path("mine.csv").write_text("text,label\n" + "a,1\nb,0\n" * 20)
    answer = rnn_bench("-m", "model=tfidf", "dataset=table", "dataset.train=mine.csv,nowhere.csv")
    assert answer.status == 2
    assert answer.err.startswith("nowhere.csv does not exist")
    assert recorded_runs() == []


def test_a_sweep_that_finds_no_articles_says_so_and_fetches_them(
    rnn_bench: Command, recorded_runs: Runs, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = "".join(f"{i},A title,word{i % 7} and more,{'RF'[i % 2]}\n" for i in range(60))
    content = "Unnamed: 0,title,text,label\n" + rows.replace(",R\n", ",REAL\n").replace(
        ",F\n", ",FAKE\n"
    )
    with kaggle_serving({"fake_or_real_news.csv": content.encode()}) as kaggle:
        for name, value in kaggle.environment(workplace / "kaggle").items():
            monkeypatch.setenv(name, value)
        answer = rnn_bench("-m", "model=majority,tfidf", "dataset=kaggle", "data_dir=mine")
    assert answer.status == 0
    assert answer.out.startswith("There are no articles of kaggle in mine")
    assert (workplace / "mine" / "kaggle" / "raw" / "fake_or_real_news.csv").is_file()
    assert len(recorded_runs()) == 2


def test_a_remote_store_s_own_pages_are_named() -> None:
    assert ui_command("http://team:5000/") == ("", "http://team:5000")


def test_make_ui_is_named_where_it_shows_the_store(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workplace / "Makefile").write_text("ui:\n")
    assert ui_command(store_uri(Tracking()))[0] == "make ui, then "
    assert ui_command("sqlite:////other.db")[0] == (
        "mlflow ui --backend-store-uri sqlite:////other.db, then "
    )


def test_the_user_s_own_csv_with_three_classes_trains(
    rnn_bench: Command, recorded_runs: Runs, workplace: Path
) -> None:
    rows = "".join(f"слово {word},{word}\n" for word in ("aber", "und", "oder") * 30)
    (workplace / "mine.csv").write_text("Text,Klasse\n" + rows)
    answer = rnn_bench(
        "model=tfidf",
        "dataset=table",
        "dataset.train=mine.csv",
        "dataset.text_column=Text",
        "dataset.label_column=Klasse",
    )
    assert answer.status == 0
    (run,) = recorded_runs()
    assert run.data.tags["dataset"] == "mine"
    assert run.data.metrics["test_accuracy"] == 1.0


def test_a_corpus_without_spaces_is_named_once_with_the_key_that_cuts_its_texts(
    tmp_path: Path, rnn_bench: Command
) -> None:
    rows = "".join(f"{word * 8},{word}\n" for word in ("好看", "难看") for _ in range(20))
    reviews = tmp_path / "reviews.csv"
    reviews.write_text(f"text,label\n{rows}", encoding="utf-8")
    sweep = ("-m", "model=majority,tfidf", "dataset=table", f"dataset.train={reviews}", "plan=true")
    shown = rnn_bench(*sweep)
    assert (shown.err + shown.out).count("set protocol.tokens=characters") == 1
    shown = rnn_bench(*sweep, "protocol.tokens=characters")
    assert "set protocol.tokens" not in shown.err + shown.out


@pytest.mark.parametrize("protocol", ["fair", "notebook"])
def test_the_real_kaggle_articles_train(
    protocol: str, articles: Path, rnn_bench: Command, recorded_runs: Runs
) -> None:
    answer = rnn_bench(
        "-m",
        "model=gru,tfidf",
        "dataset=kaggle",
        f"data_dir={articles}",
        f"protocol={protocol}",
        "protocol.epochs=1",
        "protocol.max_length=60",
    )
    assert answer.status == 0
    assert [run.data.tags["data_edition"] for run in recorded_runs()] == ["sample", "sample"]


def test_a_question_asked_twice_in_one_sweep_is_trained_once(
    rnn_bench: Command, recorded_runs: Runs
) -> None:
    answer = rnn_bench("-m", "model=majority", "threads=1,2", *SMALL_CORPUS)
    assert answer.status == 0
    (run,) = recorded_runs()
    assert run.data.tags[f"sweep.{run.data.tags['sweep_id']}"] == "trained"


def test_a_diverged_run_is_in_the_table_with_its_best_weights_accuracy(
    rnn_bench: Command, recorded_runs: Runs
) -> None:
    answer = rnn_bench(
        *("-m", "model=rnn", "seed=0,1", *SMALL),
        *("optimizer=sgd", "optimizer.lr=1e38", "protocol.gradient_clip_norm=null"),
    )
    assert answer.status == 0
    assert {run.data.tags["outcome"] for run in recorded_runs()} == {"diverged"}
    assert " 2 diverged" in answer.out


def test_long_names_and_brackets_are_shown_whole(workplace: Path, rnn_bench: Command) -> None:
    name = "[bold]a-name-of-more-than-twenty-letters[/bold]"
    answer = rnn_bench("model=majority", *SMALL_CORPUS, f"'dataset.name=\"{name}\"'"[1:-1])
    assert answer.status == 0
    assert name in answer.out.splitlines()[-2]


def test_data_that_is_removed_during_a_sweep_fails_the_later_runs_alone(
    rnn_bench: Command, recorded_runs: Runs, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = ["text,label", *(f"article number {n},{n % 2}" for n in range(80))]
    (workplace / "mine.csv").write_text("\n".join(lines))
    (workplace / "my_model.py").write_text(
        "from pathlib import Path\n"
        "from rnn_bench.models.baselines.majority import MajorityClassifier\n"
        "class Removes(MajorityClassifier):\n"
        "    def __init__(self, *, vocabulary_size, classes, readout):\n"
        "        super().__init__(vocabulary_size=0, classes=classes, readout=readout)\n"
        "        Path('mine.csv').unlink()\n"
    )
    (workplace / "conf/model").mkdir(parents=True)
    option = "_target_: my_model.Removes\nname: removes\n"
    (workplace / "conf/model/removes.yaml").write_text(option)
    monkeypatch.syspath_prepend(workplace)
    answer = rnn_bench(
        *("--config-dir", "conf", "-m", "model=removes,majority"),
        *("dataset=table", "dataset.train=mine.csv"),
    )
    assert answer.status == 1
    assert "majority-mine-s0: it has no record in MLflow." in answer.out
    assert "DataError: mine.csv does not exist (looked for in" in answer.out
    assert "Traceback" not in answer.out
    (run,) = recorded_runs()
    assert (run.data.tags["model"], run.info.status) == ("removes", "FINISHED")

"""The sweeps of conf/experiment."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow.entities import Run

from rnn_bench.config.composition import Composer, Job, config_folder
from rnn_bench.config.errors import ConfigError
from rnn_bench.config.hydra_internals import parse_arguments
from tests.conftest import SMALL_CORPUS, Command

PRESETS = {path.stem for path in (config_folder() / "experiment").glob("*.yaml")}
RUNS = {
    "notebook": 6,
    "paper": 50,
    "tuned": 18,
    "search": 6,
    "recipe": 54,
    "memory": 54,
    "transfer": 30,
    "quick": 15,
}
RUNS |= {"sentences": 3 * 6 * (4 * 10 + 3), "topics": 36}


def asked(*line: str) -> list[Job]:
    arguments = parse_arguments(line)
    composer = Composer((), arguments.overrides)
    arguments.overrides += [*composer.preset(arguments), "sweep_id=test"]
    arguments.multirun = True
    return composer.jobs(arguments)


def test_every_preset_is_known() -> None:
    assert RUNS.keys() == PRESETS


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_a_preset_is_a_whole_sweep(preset: str, workplace: Path) -> None:
    jobs = asked(f"+experiment={preset}")
    assert len(jobs) == RUNS[preset]
    questions = {str(job.config) for job in jobs}
    assert len(questions) == len(jobs)


def test_a_preset_is_narrowed_and_widened_on_the_command_line(workplace: Path) -> None:
    widened = ("model=rnn,gru", "model.dropout=0.1,0.2")
    jobs = asked("+experiment=paper", "dataset=isot", "seed=7,8", *widened)
    assert Counter(job.config.model.name for job in jobs) == {"rnn": 4, "gru": 4}
    assert {job.config.dataset.name for job in jobs} == {"isot"}
    assert {job.config.seed for job in jobs} == {7, 8}


def folds_of(jobs: list[Job]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for job in jobs:
        found.setdefault(job.config.dataset.name, []).append(job.config.dataset.fold)
    return found


def test_in_a_sweep_over_folds_a_corpus_with_a_test_file_is_asked_once(workplace: Path) -> None:
    folds = folds_of(asked("+experiment=sentences", "model=tfidf", "seed=0"))
    assert folds.pop("sst2") == folds.pop("sst5") == folds.pop("trec") == [0]
    assert set(map(tuple, folds.values())) == {tuple(range(10))}
    narrowed = ("model=tfidf", "dataset.fold=0,3", "dataset=mr,trec")
    assert folds_of(asked("-m", *narrowed)) == {"mr": [0, 3], "trec": [0]}


@pytest.mark.parametrize(
    "line", [("dataset=isot,trec", "dataset.fold=0,1"), ("dataset=mr,trec", "dataset.fold=3,4")]
)
def test_folds_that_no_run_can_have_are_refused(line: tuple[str, ...], workplace: Path) -> None:
    with pytest.raises(ConfigError, match="needs the number of folds"):
        asked("-m", "model=tfidf", *line)


def test_a_sweep_over_folds_makes_the_runs_that_it_has_and_no_others(
    rnn_bench: Command, recorded_runs: Callable[[], list[Run]], articles: Path
) -> None:
    answer = rnn_bench(
        *("-m", "model=majority", "dataset=cr,trec", "dataset.fold=0,1"), f"data_dir={articles}"
    )
    assert (answer.status, answer.err) == (0, "")
    names = sorted(run.info.run_name for run in recorded_runs())
    assert names == ["majority-cr-fold0-s0", "majority-cr-fold1-s0", "majority-trec-s0"]


def test_a_preset_trains_without_m(
    rnn_bench: Command, recorded_runs: Callable[[], list[Run]]
) -> None:
    answer = rnn_bench("+experiment=quick", "hydra/launcher=basic", "model=majority", *SMALL_CORPUS)
    assert answer.status == 0
    assert sorted(run.data.tags["seed"] for run in recorded_runs()) == ["0", "1", "2"]

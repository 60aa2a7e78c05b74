import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from rnn_bench.config.composition import Composer
from rnn_bench.config.options import key as declare_key
from rnn_bench.config.protocol import Protocol
from rnn_bench.config.schema import Config
from rnn_bench.tracking import run_key as run_keys
from rnn_bench.tracking.run_key import (
    config_key,
    question_key,
    result_versions,
    run_key,
    run_name,
    settings,
)
from tests.conftest import PLAIN

Compose = Callable[..., Config]


def key(config: Config) -> str:
    return run_key(config, "fingerprint")


@pytest.mark.parametrize(
    "override",
    [
        *("seed=1", "model=lstm", "model.hidden_size=64", "optimizer.lr=0.01", "protocol.epochs=3"),
        *("protocol.precision=tf32", "protocol.precision=bfloat16"),
    ],
)
def test_what_decides_the_result_decides_the_run_key(override: str, configured: Compose) -> None:
    assert key(configured(override)) != key(configured())


@pytest.mark.parametrize(
    "override",
    ["device=cpu", "threads=2", "data_dir=x", "cache_dir=x", "output_dir=x", "rerun=true"],
)
def test_where_a_run_is_computed_and_kept_does_not(override: str, configured: Compose) -> None:
    assert key(configured(override)) == key(configured())


def test_other_articles_are_another_question(configured: Compose) -> None:
    assert run_key(configured(), "a") != run_key(configured(), "b")


def test_moved_files_are_the_same_question(configured: Compose) -> None:
    arguments = ("dataset=table", "dataset.name=mine")
    here, there = (configured(*arguments, f"dataset.train={folder}/a.csv") for folder in "xy")
    assert key(here) == key(there)


def test_the_seed_is_not_in_the_config_key(configured: Compose) -> None:
    first, second = configured("seed=1"), configured("seed=2")
    assert config_key(first, "f") == config_key(second, "f")


def test_settings_are_flat_and_hold_no_machinery(configured: Compose) -> None:
    flat = settings(configured("model=lstm"))
    assert (flat["model.cell"], flat["optimizer.lr"], flat["seed"]) == ("lstm", 0.003, 0)
    assert not [name for name in flat if "_target_" in name or "_partial_" in name]


NAMES = [
    ((), "gru-demo-s0"),
    (("seed=3", "model=lstm"), "lstm-demo-s3"),
    (("protocol=notebook", "optimizer.lr=0.01"), "gru-demo-notebook-lr0.01-s0"),
    (("optimizer=sgd",), "gru-demo-sgd-s0"),
    (("protocol.precision=bfloat16",), "gru-demo-precisionbfloat16-s0"),
    (("optimizer.lr=0.003",), "gru-demo-s0"),
    (("dataset=isot", "dataset.dateline=kept"), "gru-isot-datelinekept-s0"),
    (("dataset=kaggle", "dataset.dateline=kept"), "gru-kaggle-s0"),
    (("model.hidden_size=64", "protocol.epochs=3"), "gru-demo-hidden_size64-epochs3-s0"),
    (("dataset=table", "dataset.train=my.csv"), "gru-my-s0"),
    (
        ("dataset=table", "dataset.train=my.csv", "dataset.text_columns=[title,text]"),
        "gru-my-text_columnstitle+text-s0",
    ),
    (("dataset=newsgroups", "dataset.remove=[]"), "gru-newsgroups-removenone-s0"),
    (("dataset=mr",), "gru-mr-fold0-s0"),
    (("dataset.folds=5", "dataset.fold=1"), "gru-demo-folds5-fold1-s0"),
    (("dataset.seed=3",), "gru-demo-dataset_seed3-s0"),
    (("protocol.split_seed=3",), "gru-demo-split_seed3-s0"),
    (("+optimizer.amsgrad=true",), "gru-demo-amsgradTrue-s0"),
]


@pytest.mark.parametrize(("overrides", "name"), NAMES)
def test_a_run_is_named_after_what_differs_from_the_defaults(
    overrides: tuple[str, ...], name: str, workplace: object
) -> None:
    composer = Composer()
    job = composer.job(composer.compose([*overrides, "sweep_id=test"]))
    assert run_name(job.config, job.defaults) == name


def test_keys_do_not_depend_on_the_order_of_a_user_s_keys(configured: Compose) -> None:
    config = configured()
    one, two = (
        {"_target_": "torch.nn.Linear", "name": "x", **keys}
        for keys in ({"a": 1, "b": 2}, {"b": 2, "a": 1})
    )
    assert key(replace(config, model=one)) == key(replace(config, model=two))


# --- versions ------------------------------------------------------------------------------------


PARTS = [
    ("training recipe", "rnn_bench.tracking.run_key.RECIPE_VERSION"),
    ("budget", "rnn_bench.tracking.run_key.BUDGET_VERSION"),
    ("encoding", "rnn_bench.tracking.run_key.ENCODING_VERSION"),
    ("corpus DemoCorpus", "rnn_bench.data.corpora.demo.DemoCorpus.version"),
    ("model RecurrentClassifier", "rnn_bench.models.recurrent.RecurrentClassifier.version"),
    ("cell GRU", "rnn_bench.models.cells.gru.GRU.version"),
]


@pytest.mark.parametrize(("part", "place"), PARTS)
def test_a_raised_version_is_another_run_with_the_same_question(
    part: str, place: str, configured: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configured()
    before, question = key(config), question_key(config, "fingerprint")
    version = result_versions(config)[part]
    monkeypatch.setattr(place, version + 1)
    assert result_versions(config)[part] == version + 1
    assert key(config) != before
    assert question_key(config, "fingerprint") == question


def test_only_a_network_with_no_number_of_epochs_has_the_budget_s_version(
    configured: Compose,
) -> None:
    for keys in (("protocol.epochs=20",), ("model=tfidf",)):
        assert "budget" not in result_versions(configured(*keys))


def test_only_a_schedule_that_depends_on_time_has_its_version(configured: Compose) -> None:
    constant, falls, ends = (
        *("protocol.schedule=constant", "protocol.schedule=cosine"),
        "protocol.train_seconds=60",
    )
    even, rises = "protocol.warmup=0", "protocol.warmup=0.1"
    for keys in ((constant, even), (falls, even), (constant, even, ends), (constant, rises)):
        assert "timed schedule" not in result_versions(configured(*keys))
    for keys in ((falls, even, ends), (constant, rises, ends)):
        assert result_versions(configured(*keys))["timed schedule"] == 2


def test_another_cell_s_version_decides_nothing(
    configured: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = key(configured("model=lstm"))
    monkeypatch.setattr("rnn_bench.models.cells.gru.GRU.version", 2)
    assert key(configured("model=lstm")) == before


def test_a_part_that_gets_a_first_version_changes_no_key(
    configured: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = key(configured())
    monkeypatch.setattr(
        run_keys, "result_versions", lambda config: {**result_versions(config), "new part": 1}
    )
    assert key(configured()) == before


@dataclass
class WithNewKey(Protocol):
    """The protocol as it would be with one more key."""

    gradient_noise: float = declare_key(1.0, "added to each gradient", before=0.0)


def with_new_key(config: Config, value: float) -> Config:
    return replace(config, protocol=WithNewKey(**vars(config.protocol), gradient_noise=value))


def test_a_key_that_is_added_reuses_runs_where_it_has_the_value_from_before_it(
    configured: Compose,
) -> None:
    before = configured()
    assert key(with_new_key(before, 0.0)) == key(before)
    assert key(with_new_key(before, 1.0)) != key(before)


RECIPE = [
    *("embedding_std=0.1", "recurrent_init=orthogonal", "forget_bias=2", "embedding_dropout=0.2"),
    *("schedule=linear", "warmup=0.2", "parameters=lstm", "readout=mean"),
    "ema_decay=0.9",
]


@pytest.mark.parametrize("change", RECIPE)
def test_each_part_of_the_recipe_is_another_question(change: str, configured: Compose) -> None:
    for protocol in ("fair", "notebook"):
        plain = configured(f"protocol={protocol}")
        assert key(configured(f"protocol={protocol}", f"protocol.{change}")) != key(plain)


# What `fair` had when runs were recorded with these keys.
FORMER = (
    *("protocol.tokens=whitespace", "protocol.epochs=15", "protocol.patience=5"),
    "protocol.patience_from=start",
)
FORMER_DEMO = (
    *("dataset.articles=8000", "dataset.length=40"),
    *("dataset.cue_distance=30", "dataset.marker_distance=3"),
)
KEYS = {
    (*FORMER_DEMO, *FORMER, *PLAIN): "f07d4320f0ef9b0ed6d2b8aa5e2b17ed",
    ("model=lstm", "protocol=notebook", "seed=3", *FORMER_DEMO): "2e223d2d5d7c90b7245f5574d6aa0bd9",
    (
        "model=tfidf",
        "dataset=isot",
        *FORMER,
        *PLAIN[:-1],
    ): "6877be8828d6d68ec020781c7ef2c067",
}


@pytest.mark.parametrize(("overrides", "recorded"), KEYS.items())
def test_the_keys_of_recorded_runs_do_not_change(
    overrides: tuple[str, ...], recorded: str, configured: Compose
) -> None:
    """Where this fails, every recorded run of that kind would be trained again."""
    assert key(configured(*overrides)) == recorded


# --- a user's own classes ------------------------------------------------------------------------

OWN = "class Model:\n    size = 3\n"
SAME = ("# A comment.\n" + OWN, '"""A docstring."""\n\n\n' + OWN, OWN.replace("= 3", "=  3"))


def key_of_own_model(source: str, number: int, folder: Path, config: Config) -> str:
    """The key of a run whose model is a class of a new module with this source."""
    (folder / f"mine_{number}.py").write_text(source)
    sys.path.insert(0, str(folder))
    try:
        return run_key(replace(config, model={"_target_": f"mine_{number}.Model", "name": "m"}), "")
    finally:
        sys.path.remove(str(folder))


def test_a_user_s_own_code_decides_the_key_and_its_comments_do_not(
    configured: Compose, tmp_path: Path
) -> None:
    config, keys = configured(), []
    for number, source in enumerate((OWN, *SAME, OWN.replace("3", "4"))):
        folder = tmp_path / str(number)
        folder.mkdir()
        keys.append(key_of_own_model(source, 0, folder, config))
        sys.modules.pop("mine_0")
    assert keys[0] == keys[1] == keys[2] == keys[3] != keys[4]


def test_two_of_a_user_s_models_in_one_file_are_two_questions(
    configured: Compose, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(workplace)
    (workplace / "mine_two.py").write_text("class A: pass\n\nclass B: pass\n")
    one, other = ({"_target_": f"mine_two.{name}", "name": "m"} for name in "AB")
    config = configured()
    assert key(replace(config, model=one)) != key(replace(config, model=other))


def test_a_class_of_torch_s_counts_by_its_name_alone(configured: Compose) -> None:
    config = configured("optimizer=sgd")
    assert not [part for part in result_versions(config) if part.startswith("optimizer")]

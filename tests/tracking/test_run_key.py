from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from rnn_bench.config.composition import Composer
from rnn_bench.config.schema import Config
from rnn_bench.data.fingerprint import sources
from rnn_bench.tracking.run_key import SOURCES, config_key, run_key, run_name, settings

Compose = Callable[..., Config]


def key(config: Config) -> str:
    return run_key(config, "fingerprint")


@pytest.mark.parametrize(
    "override",
    ["seed=1", "model=lstm", "model.hidden_size=64", "optimizer.lr=0.01", "protocol.epochs=3"],
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
    arguments = ("dataset=csv", "dataset.name=mine")
    here, there = (configured(*arguments, f"dataset.train={folder}/a.csv") for folder in "xy")
    assert key(here) == key(there)


def test_the_seed_is_not_in_the_config_key(configured: Compose) -> None:
    first, second = configured("seed=1"), configured("seed=2")
    assert config_key(first, "f") == config_key(second, "f")


def test_settings_are_flat_and_hold_no_machinery(configured: Compose) -> None:
    flat = settings(configured("model=lstm"))
    assert (flat["model.cell"], flat["optimizer.lr"], flat["seed"]) == ("lstm", 0.001, 0)
    assert not [name for name in flat if "_target_" in name or "_partial_" in name]


def test_the_sources_of_the_audit_decide_no_result() -> None:
    (source,) = (text for text in sources(["data/audit"], []) if "def audit_corpus" in text)
    assert source not in sources(SOURCES, [])


def test_sources_that_are_changed_while_a_process_runs_change_none_of_its_keys(
    configured: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, config = key(configured()), configured()
    monkeypatch.setattr(Path, "read_text", lambda path, **options: "changed")
    assert key(config) == before


NAMES = [
    ((), "gru-demo-s0"),
    (("seed=3", "model=lstm"), "lstm-demo-s3"),
    (("protocol=notebook", "optimizer.lr=0.01"), "gru-demo-notebook-lr0.01-s0"),
    (("optimizer=sgd",), "gru-demo-sgd-s0"),
    (("optimizer.lr=0.001",), "gru-demo-s0"),
    (("dataset=isot", "dataset.dateline=kept"), "gru-isot-datelinekept-s0"),
    (("dataset=kaggle", "dataset.dateline=kept"), "gru-kaggle-s0"),
    (("model.hidden_size=64", "protocol.epochs=3"), "gru-demo-hidden_size64-epochs3-s0"),
    (("dataset=csv", "dataset.train=my.csv"), "gru-my-s0"),
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


def test_changed_sources_are_another_question(
    configured: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = key(configured())
    monkeypatch.setattr("rnn_bench.tracking.run_key.sources", lambda *_: ["changed"])
    assert key(configured()) != before


def test_a_user_s_own_sources_decide_the_key(
    configured: Compose, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(workplace)
    option = {"_target_": "mine_for_keys.Model", "name": "mine"}
    (workplace / "mine_for_keys.py").write_text("class Model: pass\n")
    config = replace(configured(), model=option)
    before = key(config)
    (workplace / "mine_for_keys.py").write_text("class Model: size = 3\n")
    assert key(config) != before

"""What the package relies on in Hydra's private parts: an upgrade of Hydra fails here first."""

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hydra._internal.core_plugins import basic_sweeper
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.launcher import Launcher
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from rnn_bench.config import hydra_internals
from rnn_bench.config.composition import config_folder, register
from rnn_bench.config.explanation import copied

FOLDER = config_folder()
Parse = Callable[..., list[Any]]


@pytest.fixture(autouse=True)
def _registered(workplace: Path) -> None:
    register()


@pytest.fixture
def parse() -> Parse:
    return lambda *lines: OverridesParser.create().parse_overrides([*lines])


def test_a_command_line_is_parsed_into_hydra_s_flags_and_overrides() -> None:
    arguments = hydra_internals.parse_arguments(["-m", "--config-dir", "mine", "seed=0,1", "a=b"])
    assert arguments.multirun
    assert (arguments.overrides, arguments.config_dir) == (["seed=0,1", "a=b"], "mine")
    flags = ("help", "hydra_help", "cfg", "info", "shell_completion", "config_name", "config_path")
    assert not any(getattr(arguments, flag) for flag in (*flags, "experimental_rerun"))


def test_a_flag_is_answered(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = hydra_internals.parse_arguments(["--cfg", "job", "model=lstm", "sweep_id=x"])
    hydra_internals.print_information(arguments, FOLDER)
    assert "cell: lstm" in capsys.readouterr().out


def test_schemas_are_not_copied_and_yet_no_config_changes_another() -> None:
    store = ConfigStore.instance()
    assert copy.deepcopy({"store": store})["store"] is store
    loader = hydra_internals.config_loader(FOLDER, [])
    words = ["model=lstm", "sweep_id=x"]
    first, second = (loader.load_configuration("config", words, RunMode.RUN) for _ in range(2))
    size = second.model.hidden_size
    first.model.hidden_size = size + 1
    assert second.model.hidden_size == size
    third = loader.load_configuration("config", words, RunMode.RUN)
    assert third.model.hidden_size == size


def test_a_config_is_copied_though_a_plugin_was_imported_a_second_time() -> None:
    @dataclass
    class Plugin:
        size: int = 1

    Plugin.__qualname__, Plugin.__module__ = "BasicSweeperConf", basic_sweeper.__name__
    config = OmegaConf.create({"sweeper": Plugin})
    with pytest.raises(pickle.PicklingError):
        pickle.dumps(config)
    copy_of = copied(config)
    copy_of.sweeper.size = 2
    assert config.sweeper.size == 1


def test_a_single_run_is_the_task_with_its_config_and_errors_are_raised(workplace: Path) -> None:
    seen: list[DictConfig] = []
    words = ["model=lstm", "sweep_id=x"]
    hydra_internals.run_hydra(hydra_internals.parse_arguments(words), seen.append, FOLDER)
    assert [config.model.cell for config in seen] == ["lstm"]
    assert (workplace / "outputs/sweeps/x/.hydra/config.yaml").is_file()

    def fail(config: DictConfig) -> None:
        raise LookupError("lost")

    with pytest.raises(LookupError, match="lost"):
        hydra_internals.run_hydra(hydra_internals.parse_arguments(words), fail, FOLDER)


def test_a_sweep_runs_the_task_for_every_wanted_job_and_validates_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unwanted(*batch: object) -> None:
        raise AssertionError("The sweeper composes what is composed already.")

    Plugins.instance()
    sweeper = basic_sweeper.BasicSweeper
    assert callable(sweeper.validate_batch_is_legal)
    monkeypatch.setattr(sweeper, "validate_batch_is_legal", unwanted)
    seen: list[int] = []
    words = ["-m", "seed=3,4,5", "sweep_id=x", "hydra/launcher=basic"]

    def task(config: DictConfig) -> None:
        seen.append(config.seed)

    hydra_internals.run_hydra(
        hydra_internals.parse_arguments(words), task, FOLDER, lambda lines: "seed=4" not in lines
    )
    assert seen == [3, 5]
    assert sweeper.validate_batch_is_legal is unwanted, "it is put back"


def test_jobs_are_left_out_in_a_process_that_has_just_started(workplace: Path) -> None:
    program = (
        "from rnn_bench.config import hydra_internals as hydra\n"
        "from rnn_bench.config.composition import config_folder, register\n"
        "register()\n"
        "words = ['-m', 'seed=3,4,5', 'sweep_id=x', 'hydra/launcher=basic']\n"
        "task = lambda config: print(config.seed)\n"
        "wanted = lambda lines: 'seed=4' not in lines\n"
        "hydra.run_hydra(hydra.parse_arguments(words), task, config_folder(), wanted)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("3\n5\n", "")


def test_the_loader_finds_what_a_config_dir_has(workplace: Path) -> None:
    (workplace / "mine/model").mkdir(parents=True)
    (workplace / "mine/model/small.yaml").write_text("defaults: [gru]\nname: small\n")
    loader = hydra_internals.config_loader(FOLDER, [str(workplace / "mine")])
    overrides = ["model=small", "sweep_id=x"]
    config = loader.load_configuration("config", overrides, run_mode=RunMode.RUN)
    assert config.model.name == "small"
    sources = config.hydra.runtime.config_sources
    own = [source.path for source in sources if source.provider == "command-line"]
    assert own == [str(workplace / "mine")]


def test_a_sweep_is_split_into_jobs_in_order(parse: Parse) -> None:
    assert hydra_internals.split_into_jobs(parse("a=1,2", "b=c,d", "e=f")) == [
        ["a=1", "b=c", "e=f"],
        ["a=1", "b=d", "e=f"],
        ["a=2", "b=c", "e=f"],
        ["a=2", "b=d", "e=f"],
    ]
    with pytest.raises(HydraException):
        hydra_internals.split_into_jobs(parse("a=interval(0,1)"))


def test_overrides_set_keys_and_refuse_unknown_ones(parse: Parse) -> None:
    config = OmegaConf.create({"a": {"b": 1}})
    OmegaConf.set_struct(config, True)
    hydra_internals.apply_overrides(parse("a.b=2", "+a.c=3"), config)
    assert config == {"a": {"b": 2, "c": 3}}
    with pytest.raises(HydraException):
        hydra_internals.apply_overrides(parse("a.d=4"), config)


def test_overrides_name_a_folder(parse: Parse) -> None:
    naming = OmegaConf.create({"exclude_keys": ["seed"], "item_sep": ";", "kv_sep": ":"})
    named = hydra_internals.overrides_dirname(parse("model=gru", "seed=1", "a.b=2"), naming)
    assert named == "a.b:2;model:gru"


def test_a_job_has_hydra_s_files_and_returns_its_error(workplace: Path) -> None:
    loader = hydra_internals.config_loader(FOLDER, [])
    overrides = ["sweep_id=x", "hydra.mode=MULTIRUN"]
    config = loader.load_configuration("config", overrides, run_mode=RunMode.RUN)
    OmegaConf.set_struct(config, False)
    config.hydra.job.num = 7
    modes: list[object] = []

    def task(own: DictConfig) -> None:
        modes.append(HydraConfig.get().mode)
        raise LookupError("lost")

    error = hydra_internals.run_as_hydra_job(config, task, loader)
    assert isinstance(error, LookupError)
    assert modes == [RunMode.MULTIRUN]
    assert (workplace / "outputs/sweeps/x/7/.hydra/overrides.yaml").is_file()
    assert hydra_internals.run_as_hydra_job(config, lambda own: None, loader) is None


def test_hydra_finds_the_packed_launcher_in_the_namespace_of_its_plugins() -> None:
    from hydra.core.plugins import Plugins

    found = {each.__name__: each.__module__ for each in Plugins.instance().discover(Launcher)}
    assert found["PackedLauncher"] == "hydra_plugins.rnn_bench_launcher"

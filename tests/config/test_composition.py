import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from omegaconf import OmegaConf

from rnn_bench.config.composition import Composer, composer_of, config_folder, sweep_composer
from rnn_bench.config.dataset import Demo, Table
from rnn_bench.config.hydra_internals import parse_arguments, split_into_jobs
from rnn_bench.config.model import Recurrent
from rnn_bench.config.optimizer import Adam
from rnn_bench.config.report import Report
from rnn_bench.config.schema import GROUPS, SCHEMAS, Config
from rnn_bench.config.search import Search
from tests.conftest import Command

Compose = Callable[..., Config]

OPTIONS = [
    f"{path.parent.name}={path.stem}"
    for path in sorted(config_folder().glob("*/*.yaml"))
    if path.stem not in ("table", "hub") and path.parent.name != "experiment"
]


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_composes_and_is_allowed(option: str, configured: Compose) -> None:
    configured(option)


def test_groups_become_their_own_dataclasses(configured: Compose) -> None:
    config = configured()
    assert (type(config.dataset), type(config.model), type(config.optimizer)) == (
        Demo,
        Recurrent,
        Adam,
    )


def test_every_key_says_what_it_means() -> None:
    for schema in (*SCHEMAS.values(), Search, Report, Config):
        for each in dataclasses.fields(schema):
            name = each.name
            is_group = name in (*GROUPS, "evaluation", "tracking", "report", "search")
            if name[0] != "_" and not is_group and "omegaconf_ignore" not in each.metadata:
                assert each.metadata["meaning"], (schema, name)


def test_the_notebook_protocol_decides_learning_rate_and_dropout_by_model(
    configured: Compose,
) -> None:
    found = {
        cell: (config.optimizer.lr, config.model.dropout)
        for cell in ("rnn", "lstm", "gru")
        for config in [configured(f"model={cell}", "protocol=notebook")]
    }
    assert found == {"rnn": (0.1, 0.5), "lstm": (0.001, 0.0), "gru": (0.001, 0.5)}
    other = configured("model.name=mine", "protocol=notebook")
    assert (other.optimizer.lr, other.model.dropout) == (0.001, 0.5)


def test_the_fair_protocol_treats_all_cells_alike(configured: Compose) -> None:
    for cell in ("rnn", "lstm", "gru"):
        config = configured(f"model={cell}")
        assert (config.optimizer.lr, config.model.dropout) == (0.003, 0.0)


def test_the_command_line_wins_over_the_protocol(configured: Compose) -> None:
    assert configured("model=rnn", "protocol=notebook", "optimizer.lr=0.02").optimizer.lr == 0.02


def test_a_table_is_named_after_its_file(configured: Compose) -> None:
    config = configured("dataset=table", "dataset.train=folder/reviews.csv")
    assert isinstance(config.dataset, Table)
    assert config.dataset.name == "reviews"


def test_data_and_cache_folders_come_from_the_environment(
    configured: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RNN_BENCH_DATA", "/somewhere")
    assert configured().data_dir == "/somewhere"
    assert configured("data_dir=here").data_dir == "here"
    monkeypatch.delenv("RNN_BENCH_CACHE")
    assert "rnn_bench" in configured().cache_dir


WRONG = [
    ("optimizer.lr=-1", "optimizer.lr=-1.0", "above 0"),
    ("protocol.readout=first", "protocol.readout=first", "last_token, padded_end, mean, max"),
    ("protocol.validation_fraction=1.5", "protocol.validation_fraction=1.5", "below 1"),
    ("model.hidden_size=big", "model.hidden_size=big", "an integer"),
    ("optimizer.lr=fast", "optimizer.lr=fast", "a number"),
    ("rerun=perhaps", "rerun=perhaps", "true or false"),
    ("protocol.epochs=0", "protocol.epochs=0", "at least 1"),
    ("model.hiden_size=3", "model.hiden_size", "Did you mean model.hidden_size?"),
    ("modle=gru", "modle", "Did you mean model?"),
    ("model=gruu", "model=gruu", "Did you mean gru?"),
    ("optimizer=adm", "optimizer=adm", "adam, adamw, rmsprop, sgd"),
    ("nothing=1", "nothing", "dataset, model, optimizer, protocol"),
    ("+nothing=1", "nothing", "not a configuration key"),
    ("+protocol.nothing=1", "protocol.nothing", "not a configuration key"),
    ("+optimizer.amsgrd=true", "optimizer.amsgrd", "Did you mean amsgrad?"),
    ("optimizer.betas=[1]", "optimizer.betas=[1.0]", "two numbers"),
    ("dataset=table", "dataset.train", "dataset.train=..."),
    ("dataset=hub", "dataset.path", "dataset.path=..."),
    ("device=tpu", "device=tpu", "cuda:N"),
    ("dataset.cue_distance=3000", "dataset.cue_distance=3000", "dataset.length=110"),
    ("model=gru,lstm", "model=gru,lstm", "-m"),
    ("seed=range(0,3)", "seed=range(0,3)", "-m"),
    ("optimizer.betas=[a,b]", "optimizer.betas[0]=a", "a number"),
    ("optimizer.betas=3", "optimizer.betas=3", "a list such as [a,b]"),
    ("optimizer.lr=null", "optimizer.lr=null", "a number"),
    ("protocol.lr_by_model=3", "protocol.lr_by_model=3", "a dictionary such as {a:1,b:2}"),
    ("optimizer.lr=${nothing}", "'nothing' not found", "full_key: optimizer.lr"),
    ("seed=${oc.env:NOWHERE}", "'NOWHERE' not found", "full_key: seed"),
    ("model.hidden_size=[", "model.hidden_size=[", "cannot be read"),
    ("model=null", "model=null", "the name of one model"),
    ("protocol=3", "protocol=3", "the name of one protocol"),
    ("model=[gru,lstm]", "model=[gru,lstm]", "the name of one model"),
    ("~dataset", "~dataset", "a run needs a dataset"),
    ("~model=gru", "~model=gru", "a run needs a model"),
    ("+model.readout=mean", "model.readout", "every run gives it by itself"),
    ("+optimizer.params=3", "optimizer.params", "every run gives it by itself"),
    ("seed=4294967296", "seed=4294967296", "at most 4294967295"),
    ("hydra.job.chdir=true", "hydra.job.chdir=true", "relative paths"),
    ("=", "= has no key", "KEY=VALUE"),
    ("--config-name=mine", "--config-name", "--config-dir"),
    ("--experimental-rerun=a", "--experimental-rerun", "same command line"),
    ("--config-dir=nowhere", "--config-dir nowhere", "no such folder"),
]


@pytest.mark.parametrize(("override", "names", "says"), WRONG)
def test_what_is_wrong_is_named_with_what_is_allowed(
    override: str, names: str, says: str, rnn_bench: Command, workplace: Path
) -> None:
    answer = rnn_bench(override)
    assert answer.status == 2
    assert names in answer.err
    assert says in answer.err
    assert len(answer.err.splitlines()) <= 6
    assert "Traceback" not in answer.err
    assert "None" not in answer.err
    assert not (workplace / "outputs").exists()


@pytest.mark.parametrize("flag", ["--cfg=job", "--help", "--info=config"])
def test_what_is_wrong_is_named_beside_a_flag_that_prints(flag: str, rnn_bench: Command) -> None:
    answer = rnn_bench(flag, "model=gruu")
    assert answer.status == 2
    assert answer.err.startswith("model=gruu is not possible: there is no such model. Did you mean")


def test_one_wrong_job_stops_a_sweep_before_anything_is_loaded(
    rnn_bench: Command, workplace: Path
) -> None:
    answer = rnn_bench("-m", "model=rnn,gru", "optimizer.lr=0.1,-0.1", "dataset=isot")
    assert answer.status == 2
    assert answer.err.strip() == "optimizer.lr=-0.1 is not possible: it must be above 0."
    assert not (workplace / "outputs").exists()


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("optimizer.lr=interval(0.1,1)", "The sweep cannot be read"),
        ("output_dir=a,b", "output_dir must be the same for all runs"),
        ("tracking.experiment_name=a,b", "tracking must be the same for all runs"),
        ("sweep_id=mine", "The command makes a new one each time"),
    ],
)
def test_what_a_sweep_cannot_vary_is_refused(override: str, says: str, rnn_bench: Command) -> None:
    answer = rnn_bench("-m", override)
    assert answer.status == 2
    assert says in answer.err
    assert "Traceback" not in answer.err


def test_options_of_one_s_own_are_found_on_hydra_s_search_path(
    rnn_bench: Command, workplace: Path
) -> None:
    folder = workplace / "mine" / "model"
    folder.mkdir(parents=True)
    (folder / "small.yaml").write_text("defaults: [gru]\nname: small\nhidden_size: 4\n")
    answer = rnn_bench(
        f"hydra.searchpath=[file://{workplace / 'mine'}]",
        *("model=small", "dataset.articles=40", "protocol.epochs=1"),
    )
    assert (answer.status, answer.err) == (0, "")
    assert "small-demo-articles40-epochs1-s0" in answer.out


def test_nesterov_without_momentum_is_refused(rnn_bench: Command) -> None:
    answer = rnn_bench("optimizer=sgd", "optimizer.nesterov=true")
    assert (answer.status, answer.out) == (2, "")
    assert "optimizer.momentum" in answer.err


def test_help_names_every_option_of_every_group(
    rnn_bench: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        rnn_bench("--help")
    words = capsys.readouterr().out.replace(",", " ").split()
    assert {option.partition("=")[2] for option in OPTIONS} <= set(words)
    assert words.count("python") == 4


@pytest.mark.parametrize(
    "line",
    [
        "model=rnn,gru protocol=notebook seed=0,1",
        "model=lstm optimizer.lr=0.1,0.2 +model.proj_size=0",
        "+experiment=memory seed=0 model=gru dataset.cue_distance=5,25",
        "dataset=table dataset.train=a.csv,b.csv hydra.launcher.jobs=2 hydra/launcher=packed",
        "evaluation.transfer=[isot],[isot,kaggle] ++tracking.uri='sqlite:///a=b.db'",
    ],
)
def test_a_sweep_s_jobs_are_composed_as_hydra_does(line: str, workplace: Path) -> None:
    composer = Composer()
    master = composer.compose(line.split(), RunMode.MULTIRUN)
    hydra_lines, lines = master.hydra.overrides.hydra, master.hydra.overrides.task
    for each in split_into_jobs(OverridesParser.create().parse_overrides([*lines])):
        expected = composer.loader.load_sweep_config(master, each)
        found = composer._with_values([*hydra_lines], each)
        assert OmegaConf.to_yaml(found) == OmegaConf.to_yaml(expected)


def test_the_jobs_that_hydra_launches_are_those_that_the_command_composed(workplace: Path) -> None:
    (workplace / "conf" / "model").mkdir(parents=True)
    arguments = parse_arguments(["-m", "model=rnn,gru", "seed=0,1", "sweep_id=one"])
    composer = sweep_composer("one", ["conf"], arguments.overrides)
    jobs = composer.jobs(arguments)
    master = composer.compose([*arguments.overrides, "hydra.mode=MULTIRUN"], RunMode.MULTIRUN)
    of_hydra = composer_of(master)
    assert of_hydra is composer
    batch = [[*job.composed.hydra.overrides.task] for job in jobs[1:3]]
    assert [*map(id, of_hydra.jobs_of(master, batch))] == [*map(id, jobs[1:3])]
    assert sweep_composer("two", ["conf"], arguments.overrides) is not composer


def test_a_nested_key_without_a_value_is_named(workplace: Path, rnn_bench: Command) -> None:
    (workplace / "mine" / "model").mkdir(parents=True)
    (workplace / "mine" / "model" / "odd.yaml").write_text("name: odd\nlayers: {width: '???'}\n")
    answer = rnn_bench("--config-dir", "mine", "model=odd")
    assert answer.status == 2
    assert "model.layers.width has no value" in answer.err

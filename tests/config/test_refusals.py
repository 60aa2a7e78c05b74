"""What a command line of overrides cannot ask for is refused in a few lines that name the cure."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from rnn_bench.command_line import main
from rnn_bench.commands.sweep_request import request_sweep
from rnn_bench.config.optimizer import BETAS
from rnn_bench.config.options import FRACTION
from rnn_bench.config.schema import Config
from tests.conftest import SMALL_CORPUS, Command

NOT_FINITE = [
    *("optimizer.lr=inf", "optimizer.lr=nan", "optimizer.weight_decay=inf", "optimizer.eps=inf"),
    *("protocol.gradient_clip_norm=inf", "protocol.lr_by_model={rnn:inf}", "model.c=inf"),
    *("dataset.noise=nan", "optimizer.betas=[nan,0.9]", "model.dropout=-inf"),
]
TOO_LARGE = [
    *("dataset.articles=1000000000000", "dataset.length=100000000000", "model.num_layers=1000000"),
    *("model.hidden_size=1000000000000", "protocol.batch_size=100000000000000000000"),
    *("protocol.epochs=100000000000000000000", "threads=1000", "protocol.max_length=3000000000"),
]
EMPTY = [
    *("model.name=", "dataset.name=", "optimizer.name=' '", "output_dir=", "data_dir="),
    *("protocol.name=", "tracking.experiment_name=", "dataset.text_column="),
]
NEEDS = {
    "model.c=inf": ("model=tfidf",),
    "dataset.text_column=": ("dataset=table", "dataset.train=a.csv"),
}
FORMS = [
    (("seed=1", "seed=2"), "seed is given twice: seed=1 and seed=2."),
    (("model=gru", "model=lstm"), "-m, takes several values: model=A,B"),
    (("seed=1", "+seed=2"), "seed is given twice"),
    (("~seed",), "Give a value: seed=..."),
    (("~optimizer.lr",), "Give a value: optimizer.lr=..."),
    (("-m", "~protocol.epochs"), "Give a value: protocol.epochs=..."),
    (("sweep_id=foo",), "sweep_id is not possible"),
    (("--cfg", "job", "sweep_id=foo"), "sweep_id is not possible"),
    (("=1",), "=1 has no key. An override is written KEY=VALUE"),
    (("=",), "= has no key"),
    (("gru",), "gru cannot be read. An override is written KEY=VALUE"),
    (("--model", "gru"), "Keys are written without dashes: model=..."),
    (("--model=gru",), "Keys are written without dashes: model=gru"),
    (("--cfg",), "expected one argument"),
    (("--cfg", "everything"), "invalid choice: 'everything'"),
    (("--config-dir", "a", "--config-dir", "b"), "--config-dir is given twice"),
    (("--multirun", "--cfg", "job"), "--multirun and --cfg are not possible together"),
    (("--run", "--multirun"), "--run and --multirun are not possible together"),
    (("--resolve", "--help", "-m", "--cfg", "job"), "not possible together"),
    (("experiment=quick",), "a preset is added, +experiment=quick"),
    (("-m", "experiment=quick"), "a preset is added, +experiment=quick"),
    (("+experiment=nope",), "there is no such experiment"),
    (("lr=0.01",), "Did you mean optimizer.lr?"),
    (("hidden_size=3",), "Did you mean model.hidden_size?"),
    (("-m", "lr=0.01,0.1"), "Did you mean optimizer.lr?"),
    (("hydra.sweeper=nope",), "hydra/sweeper=..."),
    (("-m", "hydra.launcher=nope"), "hydra/launcher=..."),
    (("hydra/sweeper=nope",), "there is no such hydra/sweeper"),
    (("hydra/launcher=1",), "the name of one hydra/launcher"),
    (("-m", "hydra.launcher._target_=os.system"), "hydra/launcher=..."),
    (("model._target_=os.system",), "a class that inherits torch.nn.Module"),
    (("model._target_=dict",), "cannot be imported"),
    (("model._target_=builtins.dict",), "a class that inherits torch.nn.Module"),
    (("dataset._target_=os.system",), "a class that inherits rnn_bench.data.corpus.Corpus"),
    (("optimizer._target_=os.system",), "a class that inherits torch.optim.Optimizer"),
    (("optimizer._target_=torch.optim.SGD",), "optimizer.betas is not a key of torch.optim.SGD"),
    (("optimizer._partial_=false",), "optimizer._partial_ must be true"),
    (("-m", "seed=range(0,0)"), "names no value"),
    (("-m", "seed=range(3,0)"), "names no value"),
    (("-m", "seed=range(0,9,0)"), "needs a step"),
    (("-m", "seed=range(0,inf)"), "needs two ends"),
    (("-m", "seed=choice()"), "ranges range(0,3)"),
    (("-m", "optimizer.lr=interval(0,1)"), "has no list of values. Write A,B"),
    (("~tracking",), "Give a value: tracking=..."),
    (("rerun=2",), "rerun=2 is not possible: 2 is neither true nor false"),
    (("plan=-1",), "-1 is neither true nor false"),
    (("-m", "model.bidirectional=1,2"), "2 is neither true nor false"),
    (("dataset=table", "dataset.train=a.csv", "dataset.quotes=3"), "3 is neither true nor false"),
    (("--resolve",), "--resolve belongs to --cfg"),
    (("--package", "model"), "--package belongs to --cfg"),
    (("device=cuda:99999999999999999999",), "auto, cpu, cuda, cuda:N or mps"),
    (("model.cell=",), "model.cell= is not possible"),
    (("-m", "seed=range(0,1000000000000)"), "more than 1,000,000 runs"),
    (("-m", "seed=range(0,2000)", "model.hidden_size=range(1,2000)"), "Divide it into several"),
    (("-m", "seed=range(0,3"), "seed=range(0,3 cannot be read"),
    (("protocol.embedding_std=0",), "protocol.embedding_std=0.0 is not possible: it must be above"),
    (("protocol.recurrent_init=keras",), "it must be one of torch, orthogonal"),
    (("protocol.forget_bias=inf",), "it must be a finite number, or null"),
    (("protocol.embedding_dropout=1",), "it must be at least 0 and below 1"),
    (("-m", "protocol.schedule=step,linear"), "it must be one of constant, linear, cosine"),
    (("protocol.warmup=1",), "it must be at least 0 and below 1"),
    (("protocol.truncation=tail",), "it must be one of head, head_and_tail"),
    (("-m", "protocol.precision=float32,half"), "it must be one of float32, tf32, bfloat16"),
    (("device=cpu", "protocol.precision=tf32"), "on cpu: it computes float32 and bfloat16."),
    (
        ("device=cpu", "model.kernel=fused", "protocol.precision=bfloat16"),
        "on cpu with model.kernel=fused: it computes float32.",
    ),
    (
        ("model.kernel=fused", "protocol.precision=tf32"),
        "model.kernel=fused is not possible with protocol.precision=tf32",
    ),
]


def refused(rnn_bench: Command, workplace: Path, *words: str) -> str:
    """The message of a command line that is refused."""
    answer = rnn_bench(*words)
    assert (answer.status, answer.out) == (2, "")
    assert "Traceback" not in answer.err
    assert "Exception" not in answer.err
    assert 0 < len(answer.err.splitlines()) <= 6
    assert not (workplace / "outputs").exists()
    return answer.err


@pytest.mark.parametrize("line", [*NOT_FINITE, *TOO_LARGE, *EMPTY])
def test_a_value_that_no_run_can_have_is_named_with_what_it_must_be(
    line: str, rnn_bench: Command, workplace: Path
) -> None:
    said = refused(rnn_bench, workplace, *NEEDS.get(line, ()), line)
    assert line.partition("=")[0] in said
    assert re.search(r"is not possible: (it must be|this machine has)", said)


def test_an_own_option_s_number_is_checked_as_that_of_a_schema(
    rnn_bench: Command, workplace: Path
) -> None:
    (workplace / "mine" / "optimizer").mkdir(parents=True)
    option = "_target_: torch.optim.NAdam\n_partial_: true\nname: nadam\nlr: 0.1\n"
    (workplace / "mine" / "optimizer" / "nadam.yaml").write_text(option)
    own = ("--config-dir", "mine", "optimizer=nadam")
    assert "finite" in refused(rnn_bench, workplace, *own, "optimizer.lr=inf")
    assert "optimizer.name is missing" in refused(rnn_bench, workplace, *own, "optimizer.name=")


def test_a_value_of_another_kind_is_not_in_a_range() -> None:
    assert not BETAS.accepts([[1], 2])
    assert not FRACTION.accepts("much")


@pytest.mark.parametrize(("words", "says"), FORMS)
def test_a_form_that_is_not_possible_is_answered_with_the_one_that_is(
    words: tuple[str, ...], says: str, rnn_bench: Command, workplace: Path
) -> None:
    assert says in refused(rnn_bench, workplace, *words)


@pytest.mark.parametrize(
    "value",
    ["评论", "archive (1)/a=b.csv", "it's (new).csv", "a$b (1).csv", "5%!.csv", "back\\x (1).csv"],
)
def test_a_value_that_hydra_cannot_read_is_shown_in_quotes_that_work(
    value: str, rnn_bench: Command, workplace: Path, configured: Callable[..., Config]
) -> None:
    said = refused(rnn_bench, workplace, "dataset=table", f"dataset.train={value}")
    (word,) = shlex.split(said.partition("two quotations: ")[2])
    assert configured("dataset=table", word).dataset.train == value


@pytest.mark.parametrize("line", ["dataset.train=~/a.csv", "dataset.train='~/a.csv'"])
def test_the_home_folder_is_found(
    line: str, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    request = request_sweep(["dataset=table", line])
    assert request
    assert request.jobs[0].config.dataset.train == "/home/me/a.csv"


def test_a_model_s_own_learning_rate_and_dropout_are_taken(workplace: Path) -> None:
    lines = ["protocol.lr_by_model={gru:0.01}", "protocol.dropout_by_model.gru=0.25"]
    request = request_sweep(lines)
    assert request
    config = request.jobs[0].config
    assert (config.optimizer.lr, config.model.dropout) == (0.01, 0.25)


def test_flags_stand_anywhere(workplace: Path) -> None:
    (workplace / "mine" / "model").mkdir(parents=True)
    (workplace / "mine" / "model" / "small.yaml").write_text("defaults: [gru]\nhidden_size: 4\n")
    words = "seed=1 --config-dir mine model=small -m protocol.epochs=1,2 hydra/launcher=basic"
    request = request_sweep(words.split())
    assert request
    found = [(job.config.model.hidden_size, job.config.protocol.epochs) for job in request.jobs]
    assert found == [(4, 1), (4, 2)]


@pytest.mark.parametrize("key", ["hydra.sweep.dir", "hydra.run.dir"])
def test_a_folder_of_hydra_s_that_cannot_be_written_is_refused(
    key: str, rnn_bench: Command, workplace: Path
) -> None:
    (workplace / "file").touch()
    sweep = ("-m",) if "sweep" in key else ()
    answer = rnn_bench(*sweep, f"{key}=file/x", "model=majority", *SMALL_CORPUS)
    assert answer.status == 2
    assert f"{key}=file/x cannot be written: Not a directory" in answer.err


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("model._target_=rnn_bench.models.nowhere.X", "No module named 'rnn_bench.models.nowhere'"),
        ("a" * 5000 + "=1", "5,002 signs"),
        ("seed=" + "1" * 5000, "5,005 signs"),
        ("model=" + "x" * 6000, "6,006 signs"),
        ('"seed=1"', "An override is written KEY=VALUE: seed=1"),
        ("s\0eed=1", "An override is written KEY=VALUE: seed=1"),
    ],
)
def test_a_name_that_nothing_can_have_is_refused_in_two_lines(
    word: str, says: str, workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", word, "plan=true"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert says in err
    assert len(err.splitlines()) <= 2
    assert len(err) < 1000

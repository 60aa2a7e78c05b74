"""Every command in the README and under docs/, run as far as it can be here."""

import importlib.metadata
import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import mlflow.environment_variables
import pytest
import yaml
from mlflow import MlflowClient

from benchmarks import cuda_kernel
from benchmarks.__main__ import PARTS, parser
from rnn_bench import command_line
from rnn_bench.config import reference
from rnn_bench.config.composition import Composer, config_folder
from rnn_bench.config.hydra_internals import parse_arguments
from rnn_bench.data.__main__ import main as data
from rnn_bench.report.__main__ import main as report
from rnn_bench.tracking.__main__ import main as tracking
from rnn_bench.tracking.run_key import run_key
from tests import golden
from tests.conftest import SMALL_CORPUS, Command
from tests.data import planted
from tests.data.kaggle_server import ISOT, kaggle_serving

PROJECT = Path(__file__).parents[1]
PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]
FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.M | re.S)
LANGUAGES = {"sh", "text", "sql", "json", "nginx", "mermaid"}
INLINE = re.compile(r"`((?:make|python -m|rnn-bench) [^`]+)`")
CLUSTERS = PROJECT / "tests" / "clusters"


def commands() -> Iterator[str]:
    """The lines of shell blocks and the commands within sentences, without comments."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for language, block in FENCE.findall(text):
            if language == "sh":
                for line in block.replace("\\\n", " ").splitlines():
                    yield " ".join(re.sub(r"(^|\s+)#.*", "", line).split())
        yield from INLINE.findall(FENCE.sub("", text))


COMMANDS = sorted({command for command in commands() if command})


@pytest.fixture
def place(workplace: Path) -> Path:
    """A working folder with a small edition of everything that the pages name."""
    rows = planted.articles(60, seed=1)
    planted.write(workplace / "reviews.csv", rows, ("review", "stars"))
    texts = [("a title", text, "news", "today") for text, _ in rows]
    for name, part in (("True", texts[:30]), ("Fake", texts[30:])):
        raw = workplace / "data" / "isot" / "raw" / f"{name}.csv"
        raw.parent.mkdir(parents=True, exist_ok=True)
        planted.write(raw, part, ("title", "text", "subject", "date"))
    raw = workplace / "data" / "kaggle" / "raw" / "fake_or_real_news.csv"
    raw.parent.mkdir(parents=True)
    numbered = [(str(n), "a title", text, label.upper()) for n, (text, label) in enumerate(rows)]
    planted.write(raw, numbered, ("Unnamed: 0", "title", "text", "label"))
    return workplace


@pytest.fixture
def sweep(place: Path, rnn_bench: Command) -> Callable[[], tuple[str, str]]:
    """Records a small sweep of one run; gives the ids of the sweep and of the run."""

    def record() -> tuple[str, str]:
        assert rnn_bench("-m", "model=tfidf", *SMALL_CORPUS).status == 0
        client = MlflowClient(f"sqlite:///{place / 'mlflow.db'}")
        experiment = client.get_experiment_by_name("rnn-bench")
        assert experiment is not None
        (run,) = client.search_runs([experiment.experiment_id])
        return run.data.tags["sweep_id"], run.info.run_id

    return record


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_documents(command: str, request: pytest.FixtureRequest) -> None:
    for start, check in CHECKS.items():
        if found := re.match(start, command):
            check(shlex.split(command[found.end() :]), request)
            return
    pytest.fail(f"Nothing here checks: {command}")


def a_run(words: list[str], request: pytest.FixtureRequest) -> None:
    """Composed with one seed, its corpora prepared, and planned; but not trained."""
    request.getfixturevalue("place")
    rnn_bench: Command = request.getfixturevalue("rnn_bench")
    words = [re.sub(r"^seed=(\d+),.*", r"seed=\1", word) for word in words]
    if any("+experiment=" in word for word in words):
        words += ["seed=0"]
    if "--cfg" not in words and "plan=true" not in words:
        words += ["plan=true"]
    if not any(re.match(r"dataset(\.articles)?=", word) for word in words):
        words += ["dataset.articles=100"]
    answer = rnn_bench(*words)
    assert (answer.status, answer.err) == (0, ""), answer.out


def a_search_of_public_corpora(words: list[str], request: pytest.FixtureRequest) -> None:
    """Planned, with six editions of the demo corpus in place of corpora that are not here."""
    rnn_bench: Command = request.getfixturevalue("rnn_bench")
    others = [word for word in words if not re.match(r"dataset(\.articles)?=|plan=true", word)]
    demo = ("dataset=demo", "dataset.noise=0,0.1,0.2,0.3,0.4,0.5", "dataset.articles=100")
    answer = rnn_bench(*others, *demo, "plan=true")
    assert (answer.status, answer.err) == (0, ""), answer.out


def a_sweep_of_a_public_corpus(words: list[str], request: pytest.FixtureRequest) -> None:
    """Its runs are composed; the corpus is not here."""
    request.getfixturevalue("workplace")
    jobs = Composer().jobs(parse_arguments([*words, "sweep_id=documents"]))
    assert len({run_key(job.config, "articles") for job in jobs}) == len(jobs) > 1


def a_cluster_sweep(words: list[str], request: pytest.FixtureRequest) -> None:
    """Its runs are composed. That the cluster's tests run the same launcher is looked up."""
    engine = "ray" if "hydra/launcher=ray_cluster" in words else "slurm"
    tested = (CLUSTERS / f"test_{engine}.py").read_text(encoding="utf-8")
    asked = [word for word in words if word.startswith("hydra")]
    for word in asked:
        assert word.replace("HEAD:6379", "{cluster}") in tested
    if engine == "ray":  # its launcher is not installed beside the others
        words = [word for word in words if word not in asked]
    jobs = Composer().jobs(parse_arguments([*words, "sweep_id=documents"]))
    assert len(jobs) in (3, 9)


def a_data_command(words: list[str], request: pytest.FixtureRequest) -> None:
    place: Path = request.getfixturevalue("place")
    if words[0] != "fetch":
        assert data(words) == 0
        return
    shutil.rmtree(place / "data")
    monkeypatch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
    with kaggle_serving(ISOT) as kaggle:
        for name, value in kaggle.environment(place).items():
            monkeypatch.setenv(name, value)
        assert data(words) == 0


def a_report(words: list[str], request: pytest.FixtureRequest) -> None:
    sweep_id, _ = request.getfixturevalue("sweep")()
    assert report([word.replace("ID", sweep_id) for word in words]) == 0
    assert [*Path().rglob("index.html")]


def a_tracking_command(words: list[str], request: pytest.FixtureRequest) -> None:
    place: Path = request.getfixturevalue("place")
    request.getfixturevalue("sweep")()
    shutil.copy(request.getfixturevalue("new_store"), place / "team.db")
    here, there = (f"sqlite:///{place / name}" for name in ("mlflow.db", "team.db"))
    known = {"sqlite:///mlflow.db": here, "http://127.0.0.1:5000": there}
    known["https://record.example.org"] = there
    assert tracking([known.get(word, word) for word in words]) == 0


def a_serving_command(words: list[str], request: pytest.FixtureRequest) -> None:
    serving = pytest.importorskip("rnn_bench.serving.__main__", reason="there is no serving")
    _, run_id = request.getfixturevalue("sweep")()
    if "--dataset" in words:
        words[words.index("--dataset") + 1] = "demo"
    assert serving.main([run_id if word == "RUN_ID" else word for word in words]) == 0


def a_make_target(words: list[str], request: pytest.FixtureRequest) -> None:
    """It is listed, and make knows how to do it."""
    listed = subprocess.run(["make", "help"], cwd=PROJECT, capture_output=True, text=True)
    targets = re.findall(r"^make ([a-z-]+)", listed.stdout, re.M)
    assert words[0] in targets
    dry = subprocess.run(["make", "-n", *words], cwd=PROJECT, capture_output=True, text=True)
    assert dry.returncode == 0, dry.stderr


def a_variable(words: list[str], request: pytest.FixtureRequest) -> None:
    """MLflow knows it."""
    name = words[0].partition("=")[0]
    found = importlib.util.find_spec("mlflow.cli")
    assert found is not None
    assert found.origin is not None
    of_the_server = f'"{name}"' in Path(found.origin).read_text(encoding="utf-8")
    assert of_the_server or hasattr(mlflow.environment_variables, name)


def an_installation(words: list[str], request: pytest.FixtureRequest) -> None:
    (extra,) = re.findall(r"rnn_bench\[(\w+)\]", words[0])
    assert extra in (importlib.metadata.metadata("rnn_bench").get_all("Provides-Extra") or ())


def an_activation(words: list[str], request: pytest.FixtureRequest) -> None:
    assert words == [".venv/bin/activate"]
    assert "VENV := .venv/bin\n" in (PROJECT / "Makefile").read_text(encoding="utf-8")


def what_test_team_runs(words: list[str], request: pytest.FixtureRequest) -> None:
    """The tests of a team's record take this line and the SQL above it from the page."""
    assert "record_owner@HOST" in (CLUSTERS / "test_team.py").read_text(encoding="utf-8")


def a_part_of_the_benchmarks(words: list[str], request: pytest.FixtureRequest) -> None:
    """`make test-bench` makes every part."""
    assert {*parser().parse_args(words).parts} <= {*PARTS}


def named_tests(words: list[str], request: pytest.FixtureRequest) -> None:
    """They are found; pytest fails where there are none."""
    asked = [sys.executable, "-m", "pytest", "--collect-only", "-q", *words]
    assert subprocess.run(asked, cwd=PROJECT, capture_output=True).returncode == 0


def the_table_of_the_cuda_kernel(words: list[str], request: pytest.FixtureRequest) -> None:
    """Each table has a row for each kernel of each cell."""
    pytest.importorskip("cuda.core", reason="cuda-core is not installed")
    cuda_kernel.main()
    printed = request.getfixturevalue("capsys").readouterr().out
    assert [len(table.splitlines()) for table in printed.strip().split("\n\n")] == [2 + 6] * 4


def an_rnn_bench_command(words: list[str], request: pytest.FixtureRequest) -> None:
    command, *others = words
    if command == "sweep":
        a_run(others, request)
    elif command == "report":
        a_report(others, request)
    else:
        request.getfixturevalue("sweep")()
        assert command_line.main(words) == 0


def the_record_of_golden_values(words: list[str], request: pytest.FixtureRequest) -> None:
    """Where no version was raised it records what is there already."""
    recorded = golden.FILE.read_text(encoding="utf-8")
    copy = request.getfixturevalue("tmp_path") / "golden.json"
    copy.write_text(recorded, encoding="utf-8")
    request.getfixturevalue("monkeypatch").setattr(golden, "FILE", copy)
    assert golden.record() == 0
    assert copy.read_text(encoding="utf-8") == recorded


CHECKS: dict[str, Callable[[list[str], pytest.FixtureRequest], None]] = {
    r"python -m rnn_bench (?=.*hydra/launcher=)": a_cluster_sweep,
    r"python -m rnn_bench (?=.*(experiment=recipe|search\.stages))": a_search_of_public_corpora,
    r"python -m rnn_bench (?=.*experiment=.* dataset=trec)": a_search_of_public_corpora,
    r"python -m rnn_bench (?=.*dataset=(cr|trec))": a_sweep_of_a_public_corpus,
    r"python -m rnn_bench\b(?!\.)": a_run,
    r"python -m rnn_bench\.data ": a_data_command,
    r"python -m rnn_bench\.report ?": a_report,
    r"python -m rnn_bench\.tracking ": a_tracking_command,
    r"python -m rnn_bench\.serving ": a_serving_command,
    r"python -m benchmarks\.cuda_kernel": the_table_of_the_cuda_kernel,
    r"python -m benchmarks ": a_part_of_the_benchmarks,
    r"python -m pytest ": named_tests,
    r"python -m tests\.golden": the_record_of_golden_values,
    r"rnn-bench ": an_rnn_bench_command,
    r"make ": a_make_target,
    r"export ": a_variable,
    r"pip install ": an_installation,
    r"source ": an_activation,
    r"(?=.*\brecord_owner@HOST/)": what_test_team_runs,
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_blocks_say_what_they_are_and_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert {language for language, _ in FENCE.findall(text)} <= LANGUAGES
    assert text.count("```") == 2 * len(FENCE.findall(text))
    for path, anchor in re.findall(r"\]\((?!http)([^)#]*)(?:#([^)]*))?\)", text):
        target = page.parent / path if path else page
        assert target.exists(), path
        if anchor:
            headings = re.findall(r"^#+ (.*)", target.read_text(encoding="utf-8"), re.M)
            slugs = {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}
            assert anchor in slugs


def test_the_readme_is_short() -> None:
    assert len((PROJECT / "README.md").read_text(encoding="utf-8").splitlines()) <= 200


def test_the_modules_that_the_design_names_are_there() -> None:
    design = (PROJECT / "docs" / "design.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:\w+/)+(?:\w+\.py)?)`", design)
    assert len(named) > 20
    for path in named:
        assert (PROJECT / "rnn_bench" / path).exists() or (PROJECT / path).exists(), path


def test_the_reference_of_the_configuration_is_current(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(config_folder(), tmp_path / "conf")
    (tmp_path / "docs").mkdir()
    monkeypatch.setattr(reference, "config_folder", lambda: tmp_path / "conf")
    assert reference.main([]) == 0
    page = (tmp_path / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert page == (PROJECT / "docs" / "configuration.md").read_text(encoding="utf-8"), "make docs"
    assert "| `model.hidden_size` | whole number | `128` |" in page
    assert "`$RNN_BENCH_DATA`, else `data`" in page
    (tmp_path / "docs" / "configuration.md").write_text(page.replace("`128`", "`129`"))
    assert reference.main(["--check"]) == 1
    assert "make docs" in capsys.readouterr().err


def test_the_citation_agrees_with_the_package() -> None:
    citation = yaml.safe_load((PROJECT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert citation["version"] == project["version"]
    assert citation["license"] == project["license"]
    assert [each["name"] for each in citation["authors"]] == [
        each["name"] for each in project["authors"]
    ]

"""A record copied to another store, from which sweeps, reports and people go on."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pytest
from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import Run

from rnn_bench.command_line import main
from rnn_bench.report.__main__ import main as report
from rnn_bench.tracking import copying
from rnn_bench.tracking.__main__ import main as tracking
from rnn_bench.tracking.liveness import Owner
from rnn_bench.tracking.recorded_run import RecordedRun
from tests.conftest import SMALL_CORPUS, Command

Runs = Callable[[], list[Run]]
SMALL = (*SMALL_CORPUS, "protocol.epochs=2", "threads=1")


def here() -> str:
    return f"sqlite:///{Path('mlflow.db').absolute()}"


def there() -> str:
    return f"sqlite:///{Path('team/mlflow.db').absolute()}"


@pytest.fixture
def team(workplace: Path, new_store: Path) -> Runs:
    """An empty store beside the workplace's own; gives its runs, oldest first."""
    (workplace / "team").mkdir()
    shutil.copy(new_store, workplace / "team" / "mlflow.db")

    def runs() -> list[Run]:
        client = MlflowClient(there())
        experiment = client.get_experiment_by_name("rnn-bench")
        return copying.all_runs(client, experiment.experiment_id) if experiment else []

    return runs


def histories(store: str, run: Run) -> dict[str, list[tuple[int, int, float]]]:
    """Every point of every metric: step, time and value."""
    client = MlflowClient(store)
    return {
        name: sorted(
            (point.step, point.timestamp, point.value)
            for point in client.get_metric_history(run.info.run_id, name)
        )
        for name in run.data.metrics
    }


def sizes(run: Run) -> dict[str, int]:
    found = RecordedRun(run, Mock(spec=MlflowClient)).split_sizes
    assert found["test"] > 0
    return found


def files(store: str, run: Run, folder: Path) -> dict[str, bytes]:
    folder.mkdir()
    MlflowClient(store).download_artifacts(run.info.run_id, "", str(folder))
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_copy_has_all_that_the_record_has(
    workplace: Path,
    rnn_bench: Command,
    recorded_runs: Runs,
    team: Runs,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert rnn_bench("-m", "model=gru,majority", *SMALL).status == 0
    assert tracking(["copy", "--to", there()]) == 0
    assert "2 runs copied, 0 brought up to date, 0 there already" in capsys.readouterr().out
    runs, copies = recorded_runs(), team()
    assert [copy.data.tags["copied_from"] for copy in copies] == [r.info.run_id for r in runs]
    for number, (run, copy) in enumerate(zip(runs, copies, strict=True)):
        assert copy.info.run_id != run.info.run_id
        for name in ("run_name", "status", "start_time", "end_time"):
            assert getattr(copy.info, name) == getattr(run.info, name), name
        assert copy.data.params == run.data.params
        assert run.data.tags.items() <= copy.data.tags.items()
        assert histories(there(), copy) == histories(here(), run)
        assert copy.inputs.dataset_inputs[0].dataset == run.inputs.dataset_inputs[0].dataset
        assert sizes(copy) == sizes(run)
        kept = files(here(), run, workplace / f"kept{number}")
        assert "weights.safetensors" in kept
        assert files(there(), copy, workplace / f"copied{number}") == kept


def test_sweeps_and_reports_go_on_from_a_copy(
    rnn_bench: Command, team: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("-m", "model=tfidf,majority", *SMALL)
    assert rnn_bench(*asked).status == 0
    assert tracking(["copy", "--to", there()]) == 0
    capsys.readouterr()
    assert report(["--tracking-uri", there(), "--out", "page"]) == 0
    assert "majority" in Path("page/index.html").read_text()
    assert rnn_bench(*asked, f"tracking.uri={there()}").status == 0
    assert len(team()) == 2
    for run in team():
        states = [how for name, how in run.data.tags.items() if name.startswith("sweep.")]
        assert sorted(states) == ["reused", "trained"]


def test_a_second_copy_adds_nothing_but_what_has_grown(
    rnn_bench: Command, recorded_runs: Runs, team: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rnn_bench("-m", "model=tfidf,majority", *SMALL).status == 0
    assert tracking(["copy", "--to", there()]) == 0
    before = [run.to_dictionary() for run in team()]
    capsys.readouterr()
    assert tracking(["copy", "--to", there()]) == 0
    assert "0 runs copied, 0 brought up to date, 2 there already" in capsys.readouterr().out
    assert [run.to_dictionary() for run in team()] == before

    grown, _ = recorded_runs()
    client = MlflowClient(here())
    client.log_metric(grown.info.run_id, "transfer/kaggle/accuracy", 0.5)
    client.log_text(grown.info.run_id, "later", "transfer/kaggle/note.txt")
    assert tracking(["copy", "--to", there()]) == 0
    assert "0 runs copied, 1 brought up to date, 1 there already" in capsys.readouterr().out
    copy, _ = team()
    assert copy.data.metrics["transfer/kaggle/accuracy"] == 0.5
    added = MlflowClient(there()).list_artifacts(copy.info.run_id, "transfer/kaggle")
    assert [item.path for item in added] == ["transfer/kaggle/note.txt"]


def test_an_interrupted_copy_goes_on_and_is_no_answer_before(
    rnn_bench: Command,
    recorded_runs: Runs,
    team: Runs,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert rnn_bench("model=majority", *SMALL).status == 0
    upload, sent = MlflowClient.log_artifact, list[str]()

    def interrupted(client: MlflowClient, run_id: str, path: str, folder: str | None) -> None:
        if len(sent) == 2:
            raise KeyboardInterrupt
        sent.append(path)
        upload(client, run_id, path, folder)

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_artifact", interrupted)
        assert tracking(["copy", "--to", there()]) == 130
    (half,) = team()
    assert "run_key" not in half.data.tags

    monkeypatch.setattr(
        MlflowClient,
        "log_artifact",
        lambda *given: (sent.append(given[2]), upload(*given)),
    )
    assert tracking(["copy", "--to", there()]) == 0
    (whole,) = team()
    assert whole.info.run_id == half.info.run_id
    assert whole.info.status == "FINISHED"
    assert whole.data.tags["run_key"] == recorded_runs()[0].data.tags["run_key"]
    names = [Path(path).name for path in sent]
    copies = ["vocabulary.json", "weights.safetensors"]  # in the model's folder
    assert sorted(names) == sorted([*{*names}, *copies]), "a file was sent twice"


def test_a_run_that_somebody_is_at_is_left_out_until_it_has_ended(
    rnn_bench: Command, recorded_runs: Runs, team: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rnn_bench("model=majority", *SMALL).status == 0
    (run,) = recorded_runs()
    client, run_id = MlflowClient(here()), run.info.run_id
    client.update_run(run_id, status="RUNNING")
    client.set_tag(run_id, "heartbeat", f"{time.time():.0f}")
    client.set_tag(run_id, "owner", str(Owner.this_process()))
    assert tracking(["copy", "--to", there()]) == 0
    out = capsys.readouterr().out
    assert "0 runs copied" in out
    assert "Left out: majority-demo-" in out
    assert team() == []

    client.set_tag(run_id, "heartbeat", "0")
    assert tracking(["copy", "--to", there()]) == 0
    (copy,) = team()
    assert (copy.info.status, copy.data.tags["outcome"]) == ("KILLED", "killed")
    client.set_terminated(run_id)
    assert tracking(["copy", "--to", there()]) == 0
    (copy,) = team()
    assert (copy.info.status, copy.data.tags["outcome"]) == ("FINISHED", "finished")


def test_back_and_forth_and_through_a_third_store_a_run_stays_one(
    workplace: Path, new_store: Path, rnn_bench: Command, recorded_runs: Runs, team: Runs
) -> None:
    assert rnn_bench("model=majority", *SMALL).status == 0
    third = f"sqlite:///{workplace}/third.db"
    shutil.copy(new_store, workplace / "third.db")
    for source, target in (
        (here(), there()),
        (there(), here()),
        (there(), third),
        (third, there()),
    ):
        assert tracking(["copy", "--from", source, "--to", target]) == 0
    assert tracking(["copy", "--from", here(), "--to", third]) == 0
    assert len(recorded_runs()) == len(team()) == 1
    client = MlflowClient(third)
    experiment = client.get_experiment_by_name("rnn-bench")
    assert experiment is not None
    assert len(client.search_runs([experiment.experiment_id])) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--to", "{here}"], "is what is copied from"),
        (["--to", "sqlite:///{folder}/link.db"], "are the same store"),
        (["--to", "{there}", "--from", "sqlite:///{folder}/none.db"], "There is no MLflow store"),
        (["--to", "{there}", "--experiment-name", "other"], "has no experiment other"),
        (["--to", "http://127.0.0.1:{unused_port}"], "cannot be used"),
    ],
)
def test_a_copy_that_cannot_be_says_why(
    arguments: list[str],
    says: str,
    workplace: Path,
    team: Runs,
    rnn_bench: Command,
    unused_port: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert rnn_bench("model=majority", *SMALL).status == 0
    Path("link.db").symlink_to("mlflow.db")
    known = {"here": here(), "there": there(), "folder": workplace, "unused_port": unused_port}
    filled = [each.format(**known) for each in arguments]
    assert tracking(["copy", *filled]) == 2
    told = capsys.readouterr()
    assert says in told.err
    assert len(told.err.splitlines()) <= 6
    assert "Traceback" not in told.err
    assert team() == []


def test_a_folder_of_artifacts_that_contains_itself_is_named(
    workplace: Path,
    rnn_bench: Command,
    recorded_runs: Callable[[], list[Run]],
    team: Runs,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert rnn_bench("model=majority", *SMALL).status == 0
    (run,) = recorded_runs()
    folder = workplace / "mlruns" / "rnn-bench" / run.info.run_id / "artifacts"
    (folder / "again").symlink_to(folder)
    assert tracking(["copy", "--to", there()]) == 2
    told = capsys.readouterr().err
    assert f"Run {run.info.run_id}" in told
    assert "remove the link" in told
    assert team() == []
    (folder / "again").unlink()
    assert tracking(["copy", "--to", there()]) == 0
    assert len(team()) == 1


def test_two_copies_of_one_file_at_once_are_refused(
    rnn_bench: Command, team: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rnn_bench("model=majority", *SMALL).status == 0
    with FileLock(".mlflow.db.copy.lock"):
        assert tracking(["copy", "--to", there()]) == 2
    assert "Another process copies from" in capsys.readouterr().err


def test_a_run_s_name_is_one_line_of_text_to_the_terminal(
    workplace: Path,
    rnn_bench: Command,
    recorded_runs: Callable[[], list[Run]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert rnn_bench("model=majority", *SMALL_CORPUS).status == 0
    (run,) = recorded_runs()
    source = f"sqlite:///{workplace / 'mlflow.db'}"
    MlflowClient(source).update_run(run.info.run_id, name="\x1b[2Jevil\nline")
    assert main(["copy", "--from", source, "--to", f"sqlite:///{workplace / 'b.db'}"]) == 0
    assert "1/1  \\x1b[2Jevil line  new\n" in capsys.readouterr().out

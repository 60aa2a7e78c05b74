"""A team's record: an MLflow server on PostgreSQL and S3, as `make tracking-server` starts it.

`make test-team` runs these tests; `make test` does not. Each goes on from what the one before has
recorded, as a team does.
"""

import itertools
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from pathlib import Path
from threading import local
from typing import Any

import pandas as pd
import pytest
import requests
from mlflow import MlflowClient
from mlflow.entities import Run

from rnn_bench.data.corpora.demo import DemoCorpus
from rnn_bench.tracking.sweeps import all_runs
from tests.clusters.servers import (
    PATIENCE,
    PROJECT,
    S3_ACCOUNT,
    make_tracking_server,
    model_server,
    s3,
)
from tests.conftest import SMALL_CORPUS

TINY = (*SMALL_CORPUS, "protocol.epochs=2")
GOOD, BAD, AT_ONCE = 1000, 100, 32


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of an S3 store, and the folder of its bucket."""
    if not (shutil.which("rclone") or Path(sys.executable).with_name("rclone").is_file()):
        pytest.skip("there is no rclone; make setup installs it")
    folder = tmp_path_factory.mktemp("s3")
    with s3(folder) as address:
        yield address, folder / "objects" / "team"


@pytest.fixture(scope="module")
def least_rights(database: str) -> str:
    """The address of a database with the roles and rights of docs/clusters.md, and with the tables
    that its owner makes there; for the role that reads and writes rows."""
    import psycopg

    page = (PROJECT / "docs" / "clusters.md").read_text(encoding="utf-8")
    in_any, in_the_new = re.findall(r"```sql\n(.*?)```", page, re.S)
    server, _, _ = database.partition("://")[2].rpartition("/")
    for name, statements in (("mlflow", in_any), ("record", in_the_new)):
        with psycopg.connect(f"postgresql://{server}/{name}", autocommit=True) as connection:
            for statement in statements.split(";"):
                if statement.strip():
                    connection.execute(statement)
    host = server.partition("@")[2]
    programs = Path(sys.executable).parent
    for line in re.findall(r"^.*record_owner@HOST.*$", page, re.M):
        variable, _, rest = line.rpartition("mlflow ")
        name, _, value = variable.strip().partition("=")
        environment = {**os.environ, **({name: value.replace("HOST", host)} if name else {})}
        command = [programs / "mlflow", *rest.replace("HOST", host).split()]
        subprocess.run(command, check=True, env=environment)
    return f"postgresql+psycopg://record_server@{host}/record"


@pytest.fixture(scope="module")
def team(
    least_rights: str, objects: tuple[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of the team's server. Nobody but the server knows the account in the store."""
    if not shutil.which("make"):
        pytest.skip("there is no make")
    settings = {
        "MLFLOW_BACKEND_STORE_URI": least_rights,
        "MLFLOW_ARTIFACTS_DESTINATION": "s3://team/record",
        "MLFLOW_S3_ENDPOINT_URL": objects[0],
        **S3_ACCOUNT,
    }
    with make_tracking_server(settings, tmp_path_factory.mktemp("team")) as address:
        yield address


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A member's working folder."""
    return tmp_path_factory.mktemp("member")


def command(place: Path, module: str, *arguments: str, server: str = "") -> str:
    """What a command of this package prints in a folder."""
    environment = {**os.environ, "RNN_BENCH_CACHE": str(place / "cache")}
    environment |= {"MLFLOW_TRACKING_URI": server}
    finished = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        timeout=4 * PATIENCE,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


def recorded(server: str) -> list[Run]:
    client = MlflowClient(server)
    experiment = client.get_experiment_by_name("rnn-bench")
    assert experiment is not None
    return all_runs(client, experiment.experiment_id)


def states(runs: list[Run]) -> Counter[str]:
    """How sweeps came by the runs, counted."""
    return Counter(
        how for run in runs for name, how in run.data.tags.items() if name.startswith("sweep.")
    )


def test_a_sweep_of_four_jobs_at_once_is_recorded_by_the_server(
    team: str, objects: tuple[str, Path], place: Path
) -> None:
    models = "model=gru,tfidf"
    command(
        place, "rnn_bench", "-m", models, "seed=0,1", "hydra.launcher.jobs=4", *TINY, server=team
    )
    runs = recorded(team)
    assert [run.info.status for run in runs] == ["FINISHED"] * 4
    assert {run.data.tags["concurrent_jobs"] for run in runs} == {"4"}
    for run in runs:
        assert str(run.info.artifact_uri).startswith("mlflow-artifacts:")
    kept = [path.name for path in objects[1].rglob("*")]
    assert kept.count("weights.safetensors") >= 4
    assert not [*place.rglob("mlruns"), *place.rglob("mlflow.db")]


def test_a_local_record_is_copied_there_once_and_answers_there(team: str, place: Path) -> None:
    home = place / "home"
    home.mkdir()
    asked = ("rnn_bench", "-m", "model=gru,majority", "seed=7", *TINY)
    command(home, *asked)
    local_runs = recorded(f"sqlite:///{home / 'mlflow.db'}")
    copy = ("rnn_bench.tracking", "copy", "--to", team)
    assert "2 runs copied, 0 brought up to date, 0 there already" in command(home, *copy)
    assert "0 runs copied, 0 brought up to date, 2 there already" in command(home, *copy)
    runs = recorded(team)
    assert len(runs) == 6
    copies = {run.data.tags["copied_from"]: run for run in runs if "copied_from" in run.data.tags}
    for run in local_runs:
        copied = copies[run.info.run_id]
        assert (copied.info.run_name, copied.info.status) == (run.info.run_name, "FINISHED")
        assert copied.data.metrics == run.data.metrics
        assert copied.data.params == run.data.params
        assert copied.info.start_time == run.info.start_time

    before = states(runs)
    command(place, *asked, server=team)
    assert len(recorded(team)) == 6
    assert states(recorded(team)) - before == Counter(reused=2)
    sweep = next(name for name in local_runs[0].data.tags if name.startswith("sweep."))
    report = ("rnn_bench.report", "--sweep", sweep.removeprefix("sweep."), "--out", "page")
    command(place, *report, server=team)
    assert "majority" in (place / "page" / "index.html").read_text(encoding="utf-8")


def test_the_server_answers_to_its_own_names_and_has_no_more_rights_than_it_needs(
    team: str, least_rights: str
) -> None:
    import psycopg

    address = f"{team}/api/2.0/mlflow/experiments/get-by-name?experiment_name=rnn-bench"
    assert requests.get(address, timeout=PATIENCE).status_code == 200
    foreign = {"Host": "elsewhere.example.org"}
    assert requests.get(address, headers=foreign, timeout=PATIENCE).status_code == 403
    with psycopg.connect(least_rights.replace("+psycopg", "")) as connection:
        for forbidden in ("DROP TABLE metrics", "CREATE TABLE another (id int)"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(forbidden)
            connection.rollback()


def good_requests(client: MlflowClient, run: Run, folder: Path) -> list[tuple[str, str]]:
    """Each test article of a run, with the class that the run's own test predicted."""
    settings = {
        name.removeprefix("dataset."): value
        for name, value in run.data.params.items()
        if name.startswith("dataset.")
    }
    corpus = DemoCorpus(
        articles=int(settings["articles"]),
        length=int(settings["length"]),
        cue_distance=int(settings["cue_distance"]),
        marker_distance=int(settings["marker_distance"]),
        noise=float(settings["noise"]),
        seed=int(settings["seed"]),
        data_dir=folder,
    )
    texts, _ = corpus.read().test
    table = client.download_artifacts(run.info.run_id, "test_predictions.csv", str(folder))
    predictions = pd.read_csv(StringIO(Path(table).read_text()), dtype=str)["prediction"]
    return [*zip(texts, predictions, strict=True)]


def bad_requests() -> list[dict[str, Any]]:
    """What requests' post takes, for requests that cannot be answered."""
    json_type = {"Content-Type": "application/json"}
    return [
        {"json": {"dataframe_records": [{"words": "no such column"}]}},
        {"json": {"dataframe_records": [{"text": None}]}},
        {"json": {"dataframe_records": [{"text": 5}]}},
        {"json": {"dataframe_records": []}},
        {"json": {"nothing": "known"}},
        {"data": b'{"dataframe_records": [', "headers": json_type},
        {"data": b"plain text", "headers": {"Content-Type": "text/plain"}},
    ]


def test_a_model_of_the_record_answers_every_request(
    team: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("served")
    client = MlflowClient(team)
    run = next(run for run in recorded(team) if run.data.tags["model"] == "gru")
    known = good_requests(client, run, folder)
    asked = [*itertools.islice(itertools.cycle(known), GOOD)]
    refused = [*itertools.islice(itertools.cycle(bad_requests()), BAD)]
    sessions = local()

    def post(request: dict[str, Any]) -> requests.Response:
        if not hasattr(sessions, "session"):
            sessions.session = requests.Session()
        answer: requests.Response = sessions.session.post(
            f"{address}/invocations", timeout=PATIENCE, **request
        )
        return answer

    good = [{"json": {"dataframe_records": [{"text": text}]}} for text, _ in asked]
    every = GOOD // BAD
    mixed = [
        each for place in range(BAD) for each in [*good[place * every :][:every], refused[place]]
    ]
    model = f"runs:/{run.info.run_id}/model"
    with model_server(model, team, folder) as address, ThreadPoolExecutor(AT_ONCE) as pool:
        answers = [*pool.map(post, mixed)]
    bad_answers = [answers.pop(place) for place in range(len(answers) - 1, -1, -(every + 1))]
    assert (len(answers), len(bad_answers)) == (GOOD, BAD)
    for answer, (_, expected) in zip(answers, asked, strict=True):
        assert answer.status_code == 200, answer.text
        (prediction,) = answer.json()["predictions"]
        assert str(prediction["label"]) == expected
    for answer in bad_answers:
        assert answer.status_code in (400, 415), answer.text
        assert answer.json()
        assert "Traceback" not in answer.text

"""Reading runs and sweeps from MLflow."""

import json
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from rnn_bench.config.errors import UsageError
from rnn_bench.tracking.liveness import is_alive
from rnn_bench.tracking.rows import end_row


def asked_for(sweep_id: str) -> str:
    """MLflow's filter for the runs that a sweep asked for."""
    return f'tags."sweep.{sweep_id}" LIKE "%"'


def runs_of(client: MlflowClient, experiment_id: str, sweep_id: str) -> list[Run]:
    """Every run that a sweep asked for, oldest first."""
    return all_runs(client, experiment_id, asked_for(sweep_id))


def all_runs(client: MlflowClient, experiment_id: str, which: str = "") -> list[Run]:
    """Every run of an experiment that MLflow's filter `which` lets through, oldest first."""
    runs: list[Run] = []
    token = None
    while token != "":
        page = client.search_runs(
            [experiment_id],
            which,
            order_by=["attributes.start_time ASC"],
            page_token=token,
        )
        runs += page
        token = page.token or ""
    return runs


def note_sweep(
    client: MlflowClient, experiment_id: str, sweep_id: str, arguments: Sequence[str], runs: int
) -> None:
    """Record a sweep's command line and how many runs it asks for, as the experiment's tag
    `sweep.<id>`."""
    command = shlex.join(["python", "-m", "rnn_bench", *arguments])
    note = json.dumps({"command": command, "runs": runs})
    if len(note) > LONGEST_TAG:
        note = json.dumps({"command": "", "runs": runs})
    client.set_experiment_tag(experiment_id, f"sweep.{sweep_id}", note)


def failed(run: Run) -> bool:
    return run.data.tags.get("outcome") not in ("finished", "diverged")


def is_incomplete(run: Run, sweep_id: str) -> bool:
    """Whether a run is finished, but an evaluation that a sweep asked it for beside failed."""
    return not failed(run) and run.data.tags.get(f"sweep.{sweep_id}") == "failed"


def last_attempts(runs: Sequence[Run]) -> list[Run]:
    """The runs, oldest first, without those that failed and were tried again."""
    keys = [run.data.tags["run_key"] for run in runs]
    return [
        run
        for place, run in enumerate(runs)
        if not (failed(run) and keys[place] in keys[place + 1 :])
    ]


ANSWERED = ("finished", "diverged")


CURVES = ("train_loss", "val_loss")


@dataclass(frozen=True)
class Recorded:
    """A run in the record. `how` the sweep came by it is trained, reused, resumed or failed;
    `curves` are (epoch, value) by metric; what has to come from a server goes to `downloads`."""

    run: Run
    how: str
    curves: Mapping[str, Sequence[tuple[int, float]]]
    store: str
    downloads: Path

    @property
    def id(self) -> str:
        return str(self.run.info.run_id)

    @property
    def name(self) -> str:
        return str(self.run.info.run_name)

    @property
    def tags(self) -> dict[str, str]:
        return dict(self.run.data.tags)

    @property
    def parameters(self) -> dict[str, str]:
        return dict(self.run.data.params)

    @property
    def metrics(self) -> dict[str, float]:
        return dict(self.run.data.metrics)

    @property
    def state(self) -> str:
        """finished, diverged, failed, killed, running, or left: RUNNING with nobody at it."""
        if self.run.info.status == "RUNNING":
            return "running" if is_alive(self.run) else "left"
        return self.tags.get("outcome", str(self.run.info.status).lower())

    @property
    def is_answered(self) -> bool:
        return self.state in ANSWERED

    @property
    def fingerprint(self) -> str:
        """Of the prepared articles, as far as the row says."""
        inputs = self.run.inputs.dataset_inputs if self.run.inputs else []
        return str(inputs[0].dataset.digest) if inputs else ""

    @cached_property
    def articles(self) -> dict[str, int]:
        """How many each split has."""
        inputs = self.run.inputs.dataset_inputs if self.run.inputs else []
        profile = json.loads(inputs[0].dataset.profile or "{}") if inputs else {}
        return dict(profile.get("articles", {}))

    def artifact(self, path: str) -> Path | None:
        """A file of the run on this machine; None if it has none of that name."""
        where = str(self.run.info.artifact_uri)
        if where.startswith("file:"):
            found = Path(unquote(urlparse(where).path), path)
        else:
            folder = self.downloads / self.id
            folder.mkdir(exist_ok=True)
            try:
                client = MlflowClient(self.store)
                found = Path(client.download_artifacts(self.id, path, str(folder)))
            except (MlflowException, OSError):
                return None
        return found if found.is_file() else None

    def has(self, path: str) -> bool:
        """Whether the run has an artifact in its top folder."""
        return path in self._listed

    @cached_property
    def _listed(self) -> set[str]:
        try:
            return {item.path for item in MlflowClient(self.store).list_artifacts(self.id)}
        except (MlflowException, OSError):
            return set()


@dataclass(frozen=True)
class Sweep:
    """What a command asked for: the runs that the record has, oldest first, the command, and how
    many runs it was, if that is known."""

    id: str
    experiment_id: str
    store: str
    runs: list[Recorded]
    command: str = ""
    asked: int | None = None
    states: dict[str, int] = field(default_factory=dict)

    @property
    def answered(self) -> list[Recorded]:
        return [run for run in self.runs if run.is_answered]


def latest_sweep(client: MlflowClient, experiment_id: str) -> str:
    """The id of the sweep that began last.

    Raises:
        UsageError: there is none.
    """
    tags = client.get_experiment(experiment_id).tags
    sweeps = sorted(name.removeprefix("sweep.") for name in tags if name.startswith("sweep."))
    if not sweeps:
        raise UsageError(
            "There is no sweep in the record yet. Make one: python -m rnn_bench -m ..."
        )
    return sweeps[-1]


def read_sweep(client: MlflowClient, experiment_id: str, sweep_id: str, downloads: Path) -> Sweep:
    """A sweep in whatever state it is. `downloads` is a folder for its artifacts.

    Raises:
        UsageError: the record knows no such sweep.
    """
    tag = f"sweep.{sweep_id}"
    noted = client.get_experiment(experiment_id).tags.get(tag)
    rows = last_attempts(runs_of(client, experiment_id, sweep_id))
    if noted is None and not rows:
        raise UsageError(f"The record has no sweep {sweep_id}. --sweep latest takes the newest.")
    note: dict[str, Any] = json.loads(noted) if noted else {}
    runs = [
        Recorded(
            run=row,
            how=row.data.tags.get(tag, ""),
            curves={name: _curve(client, row, name) for name in CURVES},
            store=str(client.tracking_uri),
            downloads=downloads,
        )
        for row in rows
    ]
    states: dict[str, int] = {}
    for run in runs:
        states[run.state] = states.get(run.state, 0) + 1
    return Sweep(
        id=sweep_id,
        experiment_id=experiment_id,
        store=str(client.tracking_uri),
        runs=runs,
        command=note.get("command", ""),
        asked=note.get("runs"),
        states=states,
    )


def _curve(client: MlflowClient, run: Run, name: str) -> list[tuple[int, float]]:
    if name not in run.data.metrics:
        return []
    history = client.get_metric_history(run.info.run_id, name)
    return sorted((point.step, point.value) for point in history)


LONGEST_TAG = 5000  # characters of an experiment's tag


def end_open_rows(
    client: MlflowClient, experiment_id: str, sweep_id: str, interrupted: bool
) -> None:
    """Once all jobs of a sweep have ended, each in its row if it could: end the others' rows."""
    outcome, error = "failed", "its process died, killed or out of memory"
    if interrupted:
        outcome, error = "killed", "the sweep was interrupted"
    for run in runs_of(client, experiment_id, sweep_id):
        if run.data.tags["sweep_id"] == sweep_id and run.info.status == "RUNNING":
            end_row(client, run.info.run_id, sweep_id, outcome, error)


@dataclass(frozen=True)
class SweepSummary:
    """A sweep in one line of a list. `start` is the local time at which its command began, None
    if its id does not say; `states` has the number of runs by state."""

    id: str
    start: datetime | None
    states: dict[str, int]
    command: str
    asked: int | None


def recorded_sweeps(client: MlflowClient, experiment_id: str) -> list[SweepSummary]:
    """Return every sweep whose command was recorded, newest first."""
    tags = client.get_experiment(experiment_id).tags
    rows = all_runs(client, experiment_id)
    return [
        _summary(client, name, json.loads(tags[name]), rows)
        for name in sorted(tags, reverse=True)
        if name.startswith("sweep.")
    ]


def _summary(
    client: MlflowClient, tag: str, note: dict[str, Any], rows: Sequence[Run]
) -> SweepSummary:
    sweep_id = tag.removeprefix("sweep.")
    try:
        start = datetime.strptime(sweep_id[:15], "%Y%m%d-%H%M%S")
    except ValueError:
        start = None
    runs = last_attempts([row for row in rows if tag in row.data.tags])
    states = Counter(Recorded(run, "", {}, str(client.tracking_uri), Path()).state for run in runs)
    return SweepSummary(sweep_id, start, states, note.get("command", ""), note.get("runs"))

"""The sweeps of the record. Each is a tag of the runs that it asked for, and its command line is
a tag of the experiment."""

import json
import logging
import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Run

from rnn_bench.config.errors import UsageError, describe
from rnn_bench.config.report import MARGIN
from rnn_bench.config.search import Domain
from rnn_bench.tracking import schema
from rnn_bench.tracking.recorded_run import RecordedRun, read_object
from rnn_bench.tracking.rows import end_row
from rnn_bench.tracking.trials import (
    SearchedModel,
    search_facts,
    searched_models,
    searched_space,
)

log = logging.getLogger(__name__)

# What is recorded of a sweep.
NOTE = {"command": str, "runs": int, "primary_metric": str, "margin": float}
LONGEST_TAG = 5000  # characters of an experiment's tag
REQUIRED_TAGS = (
    *(schema.DATASET, schema.MODEL, schema.PROTOCOL, schema.SEED),
    *(schema.RUN_KEY, schema.CONFIG_KEY),
)


@dataclass(frozen=True)
class Sweep:
    """The runs that a command asked for, as far as they are recorded, oldest first.

    `command` is empty and `asked`, the number of runs asked for, is None where they are unknown.
    `primary_metric` is what it ranks its models by, `margin` the difference below which two are
    equivalent, and `search` what it searched, if it did.
    """

    id: str
    experiment_id: str
    store: str
    runs: list[RecordedRun]
    command: str = ""
    asked: int | None = None
    primary_metric: str = schema.TEST_ACCURACY
    margin: float = MARGIN
    search: Mapping[str, Any] = field(default_factory=dict)

    @property
    def searched(self) -> list[str]:
        """The keys that it searched."""
        return [*self.search_space]

    @property
    def search_space(self) -> dict[str, Domain]:
        """What it searched, by key."""
        return searched_space(self.search)

    @property
    def searched_models(self) -> list[SearchedModel]:
        """The models that it searched, with their recorded trials."""
        return searched_models(self.runs, self.id, self.search) if self.search else []

    @property
    def tested(self) -> list[RecordedRun]:
        """The runs that read the test articles, completed or not."""
        return [run for run in self.runs if run.is_tested]

    @property
    def completed(self) -> list[RecordedRun]:
        """The results: completed runs that read the test articles."""
        return [run for run in self.tested if run.is_completed]

    @property
    def states(self) -> dict[str, int]:
        """The number of runs by state."""
        return Counter(run.state for run in self.runs)

    @property
    def start(self) -> datetime | None:
        """The local time at which the command began; None if the id does not say."""
        try:
            return datetime.strptime(self.id[:15], "%Y%m%d-%H%M%S")
        except ValueError:
            return None


def note_sweep(
    client: MlflowClient,
    experiment_id: str,
    sweep_id: str,
    arguments: Sequence[str],
    runs: int | None,
    primary_metric: str = schema.TEST_ACCURACY,
    margin: float = MARGIN,
) -> None:
    """Record how many runs a sweep asks for, if that is known, its primary metric, its margin of
    equivalence, and its command line if a tag can hold it."""
    command = _command(arguments)
    facts: dict[str, Any] = {"primary_metric": primary_metric, "margin": margin}
    facts |= {} if runs is None else {"runs": runs}
    note = json.dumps({"command": "" if _is_long(command) else command, **facts})
    client.set_experiment_tag(experiment_id, schema.SWEEP + sweep_id, note)


def keep_command(
    client: MlflowClient, sweep_id: str, arguments: Sequence[str], runs: Sequence[RecordedRun]
) -> None:
    """Keep a command line that no tag can hold as an artifact of each run of its sweep. Log an
    error as a warning: the runs themselves are complete."""
    command = _command(arguments)
    try:
        for run in runs if _is_long(command) else ():
            client.log_text(run.id, command, schema.COMMAND_FILE.format(sweep_id))
    except Exception as error:
        log.warning("The sweep's command is not recorded: %s", describe(error))


def _command(arguments: Sequence[str]) -> str:
    return shlex.join(["python", "-m", "rnn_bench", *arguments])


def _is_long(command: str) -> bool:
    """Return whether a command line has no room in an experiment's tag, beside the other note."""
    return len(json.dumps(command)) > LONGEST_TAG - 250


def _kept_command(sweep_id: str, runs: Sequence[RecordedRun]) -> str:
    """Return the command line that a sweep's runs have as an artifact; "" if none has it."""
    for run in runs:
        with run.local_artifact(schema.COMMAND_FILE.format(sweep_id)) as path:
            if path is not None:
                return path.read_text(encoding="utf-8", errors="replace")
    return ""


def recorded_sweeps(client: MlflowClient, experiment_id: str) -> list[Sweep]:
    """Return every sweep whose command was recorded, newest first."""
    notes = _notes(client, experiment_id)
    rows: dict[str, list[Run]] = {sweep_id: [] for sweep_id in notes}
    for row in all_runs(client, experiment_id):
        for tag in row.data.tags:
            if tag.startswith(schema.SWEEP) and (sweep_id := tag[len(schema.SWEEP) :]) in rows:
                rows[sweep_id].append(row)
    return [
        _sweep(client, experiment_id, sweep_id, rows[sweep_id], notes[sweep_id])
        for sweep_id in sorted(notes, reverse=True)
    ]


def latest_sweep(client: MlflowClient, experiment_id: str) -> str:
    """Return the id of the sweep that began last.

    Raises:
        UsageError: there is none.
    """
    sweeps = _notes(client, experiment_id)
    if not sweeps:
        raise UsageError(
            "There is no sweep in the record yet. Make one: python -m rnn_bench -m ..."
        )
    return max(sweeps)


def latest_sweep_on(client: MlflowClient, experiment_id: str, dataset: str) -> str:
    """Return the id of the sweep that trained the newest finished run on a corpus.

    Raises:
        UsageError: there is no finished run on it.
    """
    finished = f"attributes.status = 'FINISHED' AND tags.{schema.OUTCOME} != '{schema.DIVERGED}'"
    which = f"{tag_filter(schema.DATASET, dataset)} AND {finished}"
    newest = client.search_runs([experiment_id], which, max_results=1)
    if not newest:
        raise UsageError(f"The record has no finished run on {dataset}.")
    return str(newest[0].data.tags[schema.SWEEP_ID])


def read_sweep(client: MlflowClient, experiment_id: str, sweep_id: str) -> Sweep:
    """Return a sweep in whatever state it is.

    Raises:
        UsageError: the record has no such sweep.
    """
    note = _notes(client, experiment_id).get(sweep_id)
    # MLflow's filters have no escape for these, which no sweep's id contains.
    is_readable = not {'"', "\\"} & {*sweep_id}
    rows = all_runs(client, experiment_id, sweep_filter(sweep_id)) if is_readable else []
    if note is None and not rows:
        raise UsageError(f"The record has no sweep {sweep_id}. --sweep latest takes the newest.")
    sweep = _sweep(client, experiment_id, sweep_id, rows, note or {})
    return replace(sweep, search=search_facts(client, experiment_id, sweep_id))


def _sweep(
    client: MlflowClient,
    experiment_id: str,
    sweep_id: str,
    rows: Sequence[Run],
    note: Mapping[str, Any],
) -> Sweep:
    store, runs = str(client.tracking_uri), _latest_attempts(client, rows)
    command = note.get("command", "")
    if note and not command:
        command = _kept_command(sweep_id, runs)
    primary = note.get("primary_metric", schema.TEST_ACCURACY)
    margin = note.get("margin", MARGIN)
    return Sweep(sweep_id, experiment_id, store, runs, command, note.get("runs"), primary, margin)


def sweep_runs(client: MlflowClient, experiment_id: str, sweep_id: str) -> list[RecordedRun]:
    """Return the runs that a sweep asked for, oldest first, each in its latest attempt."""
    return _latest_attempts(client, all_runs(client, experiment_id, sweep_filter(sweep_id)))


def sweep_filter(sweep_id: str) -> str:
    """Return MLflow's filter for the runs that a sweep asked for."""
    return f'tags."{schema.SWEEP}{sweep_id}" LIKE "%"'


def tag_filter(tag: str, value: str) -> str:
    """Return MLflow's filter for the runs with this value of a tag. MLflow cannot read quotes and
    backslashes in a value: each stands for any character."""
    if re.search(r"[\'\"\\]", value):
        pattern = re.sub(r"[\'\"\\]", "_", value)
        return f"tags.{tag} LIKE '{pattern}'"
    return f"tags.{tag} = '{value}'"


def all_runs(client: MlflowClient, experiment_id: str, which: str = "") -> list[Run]:
    """Return the rows of an experiment that match MLflow's filter `which`, oldest first."""
    runs: list[Run] = []
    order, token = ["attributes.start_time ASC"], None
    while token != "":
        page = client.search_runs([experiment_id], which, order_by=order, page_token=token)
        runs += page
        token = page.token or ""
    return runs


def end_open_rows(
    client: MlflowClient, experiment_id: str, sweep_id: str, interrupted: bool
) -> None:
    """End the rows that dead processes of a sweep left open. Call it when all its jobs ended."""
    outcome, error = schema.FAILED, "its process died, killed or out of memory"
    if interrupted:
        outcome, error = schema.KILLED, "the sweep was interrupted"
    for row in all_runs(client, experiment_id, sweep_filter(sweep_id)):
        if row.data.tags.get(schema.SWEEP_ID) == sweep_id and row.info.status == "RUNNING":
            end_row(client, row.info.run_id, sweep_id, outcome, error)


def _latest_attempts(client: MlflowClient, rows: Sequence[Run]) -> list[RecordedRun]:
    """Return the runs of the rows, oldest first, without failed runs that were tried again, and
    without rows that this package did not write."""
    runs = []
    for row in rows:
        if lacking := [tag for tag in REQUIRED_TAGS if tag not in row.data.tags]:
            words = "Run %s is left out: its row lacks the tags %s."
            log.warning(words, row.info.run_id, ", ".join(lacking))
        else:
            runs.append(RecordedRun(row, client))
    latest = {run.tags[schema.RUN_KEY]: run for run in runs}
    return [run for run in runs if run.is_completed or run is latest[run.tags[schema.RUN_KEY]]]


def _notes(client: MlflowClient, experiment_id: str) -> dict[str, dict[str, Any]]:
    """Return what `note_sweep` recorded, by sweep id, without what is damaged."""
    return {
        tag.removeprefix(schema.SWEEP): {
            name: value
            for name, value in read_object(text).items()
            if isinstance(value, NOTE.get(name, ()))
        }
        for tag, text in client.get_experiment(experiment_id).tags.items()
        if tag.startswith(schema.SWEEP)
    }

"""A record moved to another MLflow store: every run with its history, parameters, tags, dataset
and artifacts.

A copy is another row with an id of its own, and says by two tags what it is: `copied_from`, the id
of the row that the run was first recorded in, and, once nothing is missing, `copied_state`.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TypeVar

from filelock import FileLock, Timeout
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException

from rnn_bench.config.errors import UsageError
from rnn_bench.data.fingerprint import digest
from rnn_bench.tracking.availability import impatient, unreachable
from rnn_bench.tracking.liveness import is_alive
from rnn_bench.tracking.store import SQLITE
from rnn_bench.tracking.sweeps import all_runs

COPIED_FROM, COPIED_STATE = "copied_from", "copied_state"
SWEEP = "sweep."
NAME = "mlflow.runName"
# What MLflow takes at once.
METRICS_AT_ONCE, OTHERS_AT_ONCE = 1000, 100

Item = TypeVar("Item")
Store = tuple[MlflowClient, str]  # and the experiment's id
Watch = Callable[[int, int, Run, str], None]


@dataclass
class Copied:
    """Runs by what became of them: `new` rows, rows that were `updated`, those that were `there`
    in full, and those that somebody is `living` at, which are left out."""

    new: list[Run] = field(default_factory=list)
    updated: list[Run] = field(default_factory=list)
    there: list[Run] = field(default_factory=list)
    living: list[Run] = field(default_factory=list)


def copy_record(source: Store, target: Store, watch: Watch) -> Copied:
    """Bring every run of an experiment, and what it notes of its sweeps, into another store.

    What is there already is not copied again; a run that has grown since it was copied, and one
    whose copy was interrupted, is brought up to date. `watch` is told after each run how many of
    how many are done, the run, and what became of it.

    Raises:
        UsageError: both stores are the same, another process copies from this one, or one of them
            stops answering; the same call goes on from there.
    """
    copied = Copied()
    with _alone(source[0]), impatient():
        try:
            runs, copies = all_runs(*source), _copies(target)
            if runs and _has_row(target[0], runs[0].info.run_id):
                raise UsageError(
                    f"{source[0].tracking_uri} and {target[0].tracking_uri} are the same store."
                )
            for place, run in enumerate(runs, start=1):
                became = _copy(source[0], run, target, copies)
                getattr(copied, became).append(run)
                watch(place, len(runs), run, became)
            _copy_notes(source, target)
        except Exception as error:
            if isinstance(error, UsageError) or not unreachable(error):
                raise
            done = sum(map(len, vars(copied).values()))
            reason = str(error).splitlines()[0][:200]
            raise UsageError(
                f"A store does not answer any more, after {done} runs: {reason}\n"
                "The same command goes on from there."
            ) from error
    return copied


@contextmanager
def _alone(client: MlflowClient) -> Iterator[None]:
    """Two processes that copy one file at once would make each row twice."""
    uri = str(client.tracking_uri)
    if not uri.startswith(SQLITE):
        yield
        return
    file = Path(uri.removeprefix(SQLITE))
    try:
        with FileLock(file.with_name(f".{file.name}.copy.lock"), timeout=0):
            yield
    except Timeout:
        raise UsageError(f"Another process copies from {file} already.") from None


def _copies(target: Store) -> dict[str, Run]:
    """The rows in the target that are copies, by the row that each run was first recorded in."""
    found = all_runs(*target, f"tags.{COPIED_FROM} LIKE '%'")
    return {run.data.tags[COPIED_FROM]: run for run in found}


def _has_row(client: MlflowClient, run_id: str) -> bool:
    try:
        client.get_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return False
    return True


def _copy(source: MlflowClient, run: Run, target: Store, copies: dict[str, Run]) -> str:
    """Copy a run where it is needed; returns the list of `Copied` that it belongs to."""
    if is_alive(run):
        return "living"
    client, experiment_id = target
    origin = run.data.tags.get(COPIED_FROM, run.info.run_id)
    if origin != run.info.run_id and _has_row(client, origin):
        return "there"  # it comes from there
    files = _files(source, run.info.run_id)
    state = _state(run, files)
    copy = copies.get(origin)
    if copy is not None and _needs_nothing(copy, run, state):
        return "there"
    became = "new" if copy is None else "updated"
    if copy is None:
        # Without its run key: nobody takes a half-filled row for an answer, or goes on with it.
        copy = client.create_run(
            experiment_id,
            start_time=run.info.start_time,
            run_name=run.info.run_name,
            tags={COPIED_FROM: origin},
        )
    _fill(source, run, client, copy)
    _copy_files(source, run.info.run_id, files, client, copy.info.run_id)
    _end(run, state, client, copy)
    return became


def _needs_nothing(copy: Run, run: Run, state: str) -> bool:
    """It is complete; or somebody went on with it over there, to the end or still."""
    went_on = copy.info.status == "FINISHED" != run.info.status or is_alive(copy)
    is_whole_row = "run_key" in copy.data.tags
    return copy.data.tags.get(COPIED_STATE) == state or (is_whole_row and went_on)


def _state(run: Run, files: dict[str, int]) -> str:
    """A hash of a run as it is now, to tell whether it has grown since."""
    info, data = run.info, run.data
    tags = {name: value for name, value in data.tags.items() if name != COPIED_STATE}
    metrics = {name: str(value) for name, value in data.metrics.items()}
    return digest([info.status, info.end_time, info.run_name, tags, metrics, data.params, files])


def _fill(source: MlflowClient, run: Run, client: MlflowClient, copy: Run) -> None:
    """Parameters, every point of every metric, and datasets. What the row has already stays."""
    run_id = copy.info.run_id
    parameters = [Param(*each) for each in run.data.params.items()]
    for params in _portions(parameters, OTHERS_AT_ONCE):
        client.log_batch(run_id, params=params)
    points = [
        Metric(point.key, point.value, point.timestamp, point.step)
        for name in run.data.metrics
        for point in source.get_metric_history(run.info.run_id, name)
    ]
    for metrics in _portions(points, METRICS_AT_ONCE):
        client.log_batch(run_id, metrics=metrics)
    if run.inputs and run.inputs.dataset_inputs:
        client.log_inputs(run_id, run.inputs.dataset_inputs)


def _end(run: Run, state: str, client: MlflowClient, copy: Run) -> None:
    """How the run ended, and last its tags: with its run key and sweeps the row counts."""
    tags = {name: value for name, value in run.data.tags.items() if name not in (NAME, COPIED_FROM)}
    status = run.info.status
    if status == "RUNNING":  # its process is gone
        status, tags = "KILLED", {**tags, "outcome": "killed"}
    run_id = copy.info.run_id
    if "error" in copy.data.tags and "error" not in tags:  # it was resumed since
        client.delete_tag(run_id, "error")
    client.set_terminated(run_id, status, end_time=run.info.end_time)
    tags[COPIED_STATE] = state
    named = [RunTag(*each) for each in tags.items()]
    for each in _portions(named, OTHERS_AT_ONCE):
        client.log_batch(run_id, tags=each)


def _portions(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _files(client: MlflowClient, run_id: str, folder: str | None = None) -> dict[str, int]:
    """The run's artifacts by path, with their sizes in bytes."""
    found: dict[str, int] = {}
    for item in client.list_artifacts(run_id, folder):
        if item.is_dir:
            found |= _files(client, run_id, item.path)
        else:
            found[item.path] = item.file_size or 0
    return found


def _copy_files(
    source: MlflowClient, run_id: str, files: dict[str, int], client: MlflowClient, copy_id: str
) -> None:
    """The files that the copy lacks, or has with another size: those of a log that has grown, or
    of a transfer that broke off."""
    if not files:
        return
    there = _files(client, copy_id)
    for path, size in files.items():
        if there.get(path) == size:
            continue
        with tempfile.TemporaryDirectory() as folder:
            local = source.download_artifacts(run_id, path, folder)
            above = str(PurePosixPath(path).parent)
            client.log_artifact(copy_id, local, None if above == "." else above)


def _copy_notes(source: Store, target: Store) -> None:
    """Each sweep's command line and number of runs, which are tags of the experiment."""
    noted, there = (client.get_experiment(number).tags for client, number in (source, target))
    for name, note in noted.items():
        if name.startswith(SWEEP) and there.get(name) != note:
            target[0].set_experiment_tag(target[1], name, note)

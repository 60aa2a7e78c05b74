"""Copying runs to another MLflow store, with their history, parameters, tags, datasets and
artifacts.

A copy is a new row with its own id and two more tags: `copied_from`, the id of the row that the run
was first recorded in, and, once the copy is complete, `copied_state`.
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
from rnn_bench.tracking import schema
from rnn_bench.tracking.availability import short_timeouts, unreachable
from rnn_bench.tracking.liveness import is_alive
from rnn_bench.tracking.store import SQLITE
from rnn_bench.tracking.sweeps import all_runs

NAME = "mlflow.runName"
MOST_FOLDERS = 20  # within one another; a link to a folder around it would make them endless
METRICS_AT_ONCE, OTHERS_AT_ONCE = 1000, 100  # the most that MLflow takes in one request

Item = TypeVar("Item")
Store = tuple[MlflowClient, str]  # and the experiment's id
Watch = Callable[[int, int, Run, str], None]


@dataclass
class Copied:
    """The runs of a store by what copying did: made `new` rows, `updated` rows, found the copy
    complete (`there`), or left out a run that a process is training (`living`)."""

    new: list[Run] = field(default_factory=list)
    updated: list[Run] = field(default_factory=list)
    there: list[Run] = field(default_factory=list)
    living: list[Run] = field(default_factory=list)


def copy_record(source: Store, target: Store, watch: Watch) -> Copied:
    """Copy every run of an experiment, and the notes on its sweeps, to another store.

    A complete copy is left as it is. A run that has changed since it was copied, and one whose copy
    was interrupted, is brought up to date. `watch` is called after each run with how many are done,
    how many there are, the run, and the field of `Copied` that it belongs to.

    Raises:
        UsageError: both stores are the same, another process copies from this one, or one of them
            stops answering; the same call continues from there.
    """
    copied = Copied()
    with _copy_lock(source[0]), short_timeouts():
        try:
            runs, copies = all_runs(*source), _copies(target)
            if runs and _has_row(target[0], runs[0].info.run_id):
                raise UsageError(
                    f"{source[0].tracking_uri} and {target[0].tracking_uri} are the same store."
                )
            for done, run in enumerate(runs, start=1):
                became = _copy(source[0], run, target, copies)
                getattr(copied, became).append(run)
                watch(done, len(runs), run, became)
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
def _copy_lock(client: MlflowClient) -> Iterator[None]:
    """Hold the lock on copying from a SQLite file: two processes at once would make each row twice.

    Raises:
        UsageError: another process holds it.
    """
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
    """Return the target's copies by the id of the row that each run was first recorded in."""
    found = all_runs(*target, f"tags.{schema.COPIED_FROM} LIKE '%'")
    return {run.data.tags[schema.COPIED_FROM]: run for run in found}


def _has_row(client: MlflowClient, run_id: str) -> bool:
    try:
        client.get_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return False
    return True


def _copy(source: MlflowClient, run: Run, target: Store, copies: dict[str, Run]) -> str:
    """Copy a run if its copy is missing or incomplete; return the field of `Copied` it belongs
    to."""
    if is_alive(run):
        return "living"
    client, experiment_id = target
    origin = run.data.tags.get(schema.COPIED_FROM, run.info.run_id)
    if origin != run.info.run_id and _has_row(client, origin):
        return "there"  # this run is a copy from that store
    files = _files(source, run.info.run_id)
    state = _state(run, files)
    copy = copies.get(origin)
    if copy is not None and _needs_nothing(copy, run, state):
        return "there"
    became = "new" if copy is None else "updated"
    if copy is None:
        # Without the run key, so that no process reuses or continues an incomplete copy.
        copy = client.create_run(
            experiment_id,
            start_time=run.info.start_time,
            run_name=run.info.run_name,
            tags={schema.COPIED_FROM: origin},
        )
    _fill(source, run, client, copy)
    _copy_files(source, run.info.run_id, files, client, copy.info.run_id)
    _end(run, state, client, copy)
    return became


def _needs_nothing(copy: Run, run: Run, state: str) -> bool:
    """Return whether a copy is complete, or was continued in the other store."""
    continued = copy.info.status == "FINISHED" != run.info.status or is_alive(copy)
    was_complete = schema.RUN_KEY in copy.data.tags
    return copy.data.tags.get(schema.COPIED_STATE) == state or (was_complete and continued)


def _state(run: Run, files: dict[str, int]) -> str:
    """Return a hash of all that a run has now, to see later whether it has changed."""
    info, data = run.info, run.data
    tags = {name: value for name, value in data.tags.items() if name != schema.COPIED_STATE}
    metrics = {name: str(value) for name, value in data.metrics.items()}
    return digest([info.status, info.end_time, info.run_name, tags, metrics, data.params, files])


def _fill(source: MlflowClient, run: Run, client: MlflowClient, copy: Run) -> None:
    """Copy parameters, the history of every metric, and datasets into a row."""
    run_id = copy.info.run_id
    parameters = [Param(*each) for each in run.data.params.items()]
    for params in _chunks(parameters, OTHERS_AT_ONCE):
        client.log_batch(run_id, params=params)
    points = [
        Metric(point.key, point.value, point.timestamp, point.step)
        for name in run.data.metrics
        for point in source.get_metric_history(run.info.run_id, name)
    ]
    for metrics in _chunks(points, METRICS_AT_ONCE):
        client.log_batch(run_id, metrics=metrics)
    if run.inputs and run.inputs.dataset_inputs:
        client.log_inputs(run_id, run.inputs.dataset_inputs)


def _end(run: Run, state: str, client: MlflowClient, copy: Run) -> None:
    """Copy the status, and the tags last: only with its run key does the row count as a run."""
    tags = {
        name: value
        for name, value in run.data.tags.items()
        if name not in (NAME, schema.COPIED_FROM)
    }
    status = run.info.status
    if status == "RUNNING":  # its process is dead
        status, tags = "KILLED", {**tags, schema.OUTCOME: schema.KILLED}
    run_id = copy.info.run_id
    if schema.ERROR in copy.data.tags and schema.ERROR not in tags:  # it was resumed since
        client.delete_tag(run_id, schema.ERROR)
    client.set_terminated(run_id, status, end_time=run.info.end_time)
    tags[schema.COPIED_STATE] = state
    named = [RunTag(*each) for each in tags.items()]
    for each in _chunks(named, OTHERS_AT_ONCE):
        client.log_batch(run_id, tags=each)


def _chunks(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """Yield the items in order, at most `size` at once."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _files(client: MlflowClient, run_id: str, folder: str | None = None) -> dict[str, int]:
    """Return the sizes in bytes of a run's artifacts, by path.

    Raises:
        UsageError: a folder is in so many others that it seems to contain itself.
    """
    if folder and folder.count("/") >= MOST_FOLDERS:
        raise UsageError(
            f"Run {run_id} has more than {MOST_FOLDERS} artifact folders within one another: "
            f"{folder[:100]}...\nIf one of them is a link to a folder around it, remove the "
            "link. The same command goes on from there."
        )
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
    """Copy the artifacts that the copy lacks, or has with another size: a log that has grown, or a
    transfer that broke off."""
    if not files:
        return
    copied = _files(client, copy_id)
    for path, size in files.items():
        if copied.get(path) == size:
            continue
        with tempfile.TemporaryDirectory() as folder:
            local = source.download_artifacts(run_id, path, folder)
            parent = str(PurePosixPath(path).parent)
            client.log_artifact(copy_id, local, None if parent == "." else parent)


def _copy_notes(source: Store, target: Store) -> None:
    """Copy each sweep's command line and number of runs, which are tags of the experiment."""
    notes, copied = (client.get_experiment(number).tags for client, number in (source, target))
    for name, note in notes.items():
        if name.startswith((schema.SWEEP, schema.SEARCH)) and copied.get(name) != note:
            target[0].set_experiment_tag(target[1], name, note)

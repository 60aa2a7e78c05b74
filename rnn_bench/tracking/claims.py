"""Claims on runs: at most one process trains a run, and a recorded result is not trained again.

MLflow has no compare-and-set, so every claim is checked again after it is made: of two live rows
with one run key the older continues, and the younger withdraws and waits for it.
"""

import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run, RunTag

from rnn_bench.config.errors import UsageError
from rnn_bench.config.schema import Config
from rnn_bench.data.encoding import EncodedCorpus
from rnn_bench.tracking import schema
from rnn_bench.tracking.availability import retry_until_reachable, unreachable
from rnn_bench.tracking.liveness import Owner, is_alive, owner_tags
from rnn_bench.tracking.outbox import UNSENT, send_unsent
from rnn_bench.tracking.rows import Duplicate, Withdrawn, end_row, fill_row, new_row
from rnn_bench.tracking.run_key import run_key
from rnn_bench.training.checkpoint import Checkpoints

log = logging.getLogger(__name__)

POLL_SECONDS = 2
SETTLE_SECONDS = 0.3  # for another process's claim to become visible
MOST_WITHDRAWN = 10  # claims one after another, of which a sound store has one or two


class Busy(Exception):
    """Another process trains the run."""


@dataclass(frozen=True)
class Claim:
    """The row that this process is to train in, or the finished run that has the `answer`."""

    run_id: str
    answer: Run | None = None


class RunClaims:
    """Finds, claims and ends the MLflow rows of one run key."""

    def __init__(
        self,
        client: MlflowClient,
        experiment_id: str,
        name: str,
        config: Config,
        corpus: EncodedCorpus,
    ) -> None:
        self.client, self.experiment_id = client, experiment_id
        self.name, self.config, self.corpus = name, config, corpus
        self.key = run_key(config, corpus.content.fingerprint)
        self.owner = Owner.this_process()
        self.sweep_tag = f"{schema.SWEEP}{config.sweep_id}"

    def rows(self) -> list[Run]:
        """Return the rows with the run key, oldest first; under `rerun` only those that its own
        sweep made."""
        which = f"tags.{schema.RUN_KEY} = '{self.key}'"
        if self.config.rerun:
            which += f" AND tags.{schema.SWEEP_ID} = '{self.config.sweep_id}'"
        found = self.client.search_runs(
            [self.experiment_id], which, order_by=["attributes.start_time ASC"]
        )
        return sorted(found, key=lambda run: (run.info.start_time, run.info.run_id))

    def rows_and_living(self) -> tuple[list[Run], set[str]]:
        """Return the rows as `rows` does, and the ids of those that a process trains.

        A process finishes its row before it exits. So where one is found gone, the rows are read
        again: then they have what it recorded last.
        """
        rows = self.rows()
        gone = {_whose(run) for run in rows if run.info.status == "RUNNING" and not is_alive(run)}
        if gone:
            rows = self.rows()
        living = {
            run.info.run_id
            for run in rows
            if run.info.status == "RUNNING" and (_whose(run) not in gone or is_alive(run))
        }
        return rows, living

    def folder(self, run_id: str) -> Path:
        """Return the output folder of a run: checkpoints, log, and what waits for MLflow.

        Raises:
            UsageError: the store names the run with a path, which could be any folder's.
        """
        if not re.fullmatch(r"[\w-]+", run_id):
            raise UsageError(
                f"The MLflow store {self.client.tracking_uri} has a run {run_id!r}, which is no id "
                "of a run.\nNothing is written there. Delete that row, or choose another store "
                "with tracking.uri=..."
            )
        return Path(self.config.output_dir) / "runs" / run_id

    def claim(self, on_wait: Callable[[], None], patient: bool = True) -> Claim:
        """Reuse a finished run, wait for the process that trains it, resume the run of a dead
        process, or begin a new row.

        `on_wait` is called repeatedly while this waits, and may raise.

        Raises:
            Busy: another process trains the run, and this one is not `patient`.
            UsageError: the store does not keep the rows that are made in it.
        """
        return retry_until_reachable(lambda: self._claim(on_wait, patient), on_wait)

    def _claim(self, on_wait: Callable[[], None], patient: bool) -> Claim:
        logged, withdrawn = False, 0
        while True:
            rows, living = self._rows_after_sending()
            if answer := find_answer(rows):
                self.tag_as_reused(answer)
                return Claim(answer.info.run_id, answer)
            others = [
                run
                for run in rows
                if run.info.run_id in living and not self.owner.is_same(Owner.of(run))
            ]
            if not others:
                claim = self._continue(rows) or Claim(self._new_row(owner_tags(self.owner)))
                try:
                    self.confirm(claim.run_id)
                    return claim
                except Withdrawn as error:
                    withdrawn += 1
                    if withdrawn < MOST_WITHDRAWN:
                        continue
                    raise UsageError(
                        f"The MLflow store {self.client.tracking_uri} does not keep the rows that "
                        f"are made in it: {error}, {withdrawn} times.\nIs it an MLflow server, and "
                        "does nobody else delete runs?"
                    ) from error
            owner = others[0].data.tags.get(schema.OWNER)
            if not patient:
                raise Busy(f"{owner} trains it")
            if not logged:
                log.info("%s  waits for %s", self.name, owner)
                logged = True
            on_wait()
            time.sleep(POLL_SECONDS)

    def tag_as_reused(self, run: Run) -> None:
        """Tag a finished run as reused by the config's sweep, unless that sweep made it."""
        if self.sweep_tag not in run.data.tags:
            self.client.set_tag(run.info.run_id, self.sweep_tag, schema.REUSED)

    def confirm(self, run_id: str) -> None:
        """Check that this process still has a run, as far as MLflow can be reached.

        Raises:
            Withdrawn: the row is deleted or taken over by another process.
            Duplicate: an older row of the run is finished or alive; this one is deleted.
        """
        try:
            rows, living = self.rows_and_living()
        except Exception as error:
            if unreachable(error):
                return
            raise
        mine = next((run for run in rows if run.info.run_id == run_id), None)
        if mine is None:
            raise Withdrawn(f"run {run_id} is deleted")
        if not self.owner.is_same(Owner.of(mine)):
            raise Withdrawn(f"run {run_id} is taken over by {mine.data.tags.get(schema.OWNER)}")
        for older in rows[: rows.index(mine)]:
            if older.info.status == "FINISHED" or older.info.run_id in living:
                self.client.delete_run(run_id)
                raise Duplicate(f"run {older.info.run_id} is older")

    def state(self) -> str:
        """Return what a claim would find: new, running, to resume or reused."""
        rows, living = self.rows_and_living()
        if find_answer(rows):
            return schema.REUSED
        if living:
            return "running"
        return "to resume" if any(self._checkpoint_epoch(run) for run in rows) else "new"

    def end(self, outcome: str, error: str, run_id: str | None = None) -> str | None:
        """Record how the run of a dead process of this sweep ended.

        Without a `run_id`, it is looked up. A failed run that has no row gets one; a killed one
        does not.

        Returns:
            the row's id; None if there is no row, or the run has recorded its end itself.
        """
        if run_id is None:
            rows, living = self.rows_and_living()
            left_behind = [
                run.info.run_id
                for run in rows
                if run.data.tags.get(schema.SWEEP_ID) == self.config.sweep_id
                and run.info.status != "FINISHED"
                and run.info.run_id not in living
            ]
            if not left_behind and outcome == schema.KILLED:
                return None
            run_id = left_behind[0] if left_behind else self._new_row({})
        elif self.client.get_run(run_id).info.status != "RUNNING":
            return None
        end_row(self.client, run_id, self.config.sweep_id, outcome, error)
        return run_id

    def _rows_after_sending(self) -> tuple[list[Run], set[str]]:
        """Send what dead processes of the run left unsent in this output folder, and return
        `rows_and_living`."""
        rows, living = self.rows_and_living()
        ids = [run.info.run_id for run in rows]
        folders = [self.folder(run_id) for run_id in ids if run_id not in living]
        waiting = [folder for folder in folders if (folder / UNSENT).is_file()]
        if not waiting:
            return rows, living
        if problems := send_unsent(waiting):
            raise UsageError(problems[0])
        return self.rows_and_living()

    def _continue(self, rows: list[Run]) -> Claim | None:
        """Take over a run whose process is dead: the one with the most epochs in a checkpoint here,
        else one that had not trained an epoch. End the other RUNNING rows as failed."""
        chosen: Claim | None = None
        for run in sorted(rows, key=lambda run: -self._checkpoint_epoch(run)):
            resumed = self._checkpoint_epoch(run) > 0
            if chosen is None and (resumed or schema.TRAIN_LOSS not in run.data.metrics):
                chosen = Claim(run.info.run_id)
                self._take_over(run, schema.RESUMED if resumed else schema.TRAINED)
            elif run.info.status == "RUNNING":
                reason = "its process is gone, and its checkpoint is not in this output_dir"
                made_by = run.data.tags[schema.SWEEP_ID]
                end_row(self.client, run.info.run_id, made_by, schema.FAILED, reason)
        if chosen is not None:
            time.sleep(SETTLE_SECONDS)
        return chosen

    def _take_over(self, run: Run, how: str) -> None:
        """Make this process the owner of a row, and set it RUNNING again."""
        own_sweep = {schema.SWEEP_ID: self.config.sweep_id, self.sweep_tag: how}
        tags = {**owner_tags(self.owner), **own_sweep}
        run_id = run.info.run_id
        self.client.log_batch(run_id, tags=[RunTag(name, value) for name, value in tags.items()])
        self.client.update_run(run_id, status="RUNNING")
        if run.inputs is None or not run.inputs.dataset_inputs:  # its process died while filling it
            fill_row(self.client, run_id, self.config, self.corpus)
        for name in {schema.ERROR, schema.OUTCOME} & run.data.tags.keys():
            self.client.delete_tag(run_id, name)

    def _new_row(self, tags: Mapping[str, str]) -> str:
        return new_row(self.client, self.experiment_id, self.name, self.config, self.corpus, tags)

    def _checkpoint_epoch(self, run: Run) -> int:
        return Checkpoints(self.folder(run.info.run_id)).epoch


def _whose(run: Run) -> tuple[str, str | None]:
    """Return a row's id and the process that owns it."""
    return run.info.run_id, run.data.tags.get(schema.OWNER)


def find_answer(rows: Iterable[Run]) -> Run | None:
    """Return the first finished row of a run key; None if there is none."""
    return next((run for run in rows if run.info.status == "FINISHED"), None)

"""Who answers a question: the run that has, the process that is at it, or this one.

MLflow cannot compare and set. So every claim is looked at again: of two live runs with one key the
older goes on, and the younger withdraws and waits for it.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run, RunTag

from rnn_bench.config.errors import UsageError
from rnn_bench.config.schema import Config
from rnn_bench.data.encoding import EncodedCorpus
from rnn_bench.tracking.availability import unreachable
from rnn_bench.tracking.liveness import Owner, is_alive, mark
from rnn_bench.tracking.outbox import UNSENT, send_unsent
from rnn_bench.tracking.rows import Duplicate, Withdrawn, end_row, fill_row, new_row
from rnn_bench.tracking.run_key import run_key
from rnn_bench.training.checkpoint import Checkpoints

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 30
POLL_SECONDS = 2
SETTLE_SECONDS = 0.3  # for another process's claim to become visible


class Busy(Exception):
    """Another process is answering the question."""


@dataclass(frozen=True)
class Claim:
    """A run to make, in a row of this process, or the run that `answers`."""

    run_id: str
    answers: Run | None = None


class Ledger:
    """The rows of one question in the record."""

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
        self.sweep_tag = f"sweep.{config.sweep_id}"
        self._context = client, experiment_id, name, config, corpus

    def rows(self) -> list[Run]:
        """All that bear the key, oldest first; for a `rerun` those of its own sweep."""
        bearing = f"tags.run_key = '{self.key}'"
        if self.config.rerun:
            bearing += f" AND tags.sweep_id = '{self.config.sweep_id}'"
        found = self.client.search_runs(
            [self.experiment_id], bearing, order_by=["attributes.start_time ASC"]
        )
        return sorted(found, key=lambda run: (run.info.start_time, run.info.run_id))

    def _rows_with_their_ends(self) -> list[Run]:
        """The rows, after what a run of them left unsent in this output folder is recorded."""
        rows = self.rows()
        folders = [self._folder(run) for run in rows if not is_alive(run)]
        waiting = [folder for folder in folders if (folder / UNSENT).is_file()]
        if not waiting:
            return rows
        if problems := send_unsent(waiting):
            raise UsageError(problems[0])
        return self.rows()

    def claim(self, on_wait: Callable[[], None], patient: bool = True) -> Claim:
        """Find the answer, wait for it, go on with what somebody left, or begin a new row.

        `on_wait` is called while it waits, and may raise to end that.

        Raises:
            Busy: another process is at it, and this one is not `patient`.
        """
        told = False
        while True:
            rows = self._rows_with_their_ends()
            finished = [run for run in rows if run.info.status == "FINISHED"]
            if finished:
                self._reuse(finished[0])
                return Claim(finished[0].info.run_id, answers=finished[0])
            living = [
                run for run in rows if is_alive(run) and not self.owner.is_same(Owner.of(run))
            ]
            if living and not patient:
                raise Busy(f"{living[0].data.tags.get('owner')} is at it")
            if living:
                if not told:
                    log.info("%s  waits for %s", self.name, living[0].data.tags.get("owner"))
                    told = True
                on_wait()
                time.sleep(POLL_SECONDS)
                continue
            claim = self._take_over(rows) or self._begin()
            try:
                self.hold(claim.run_id)
                return claim
            except Withdrawn:
                continue

    def hold(self, run_id: str) -> None:
        """Make sure that a row is still this process's, and nobody older is at the question; as
        far as MLflow can be reached.

        Raises:
            Withdrawn: it is not. Duplicate: somebody older is; the row is deleted.
        """
        try:
            rows = self.rows()
        except Exception as error:
            if unreachable(error):
                return
            raise
        mine = next((run for run in rows if run.info.run_id == run_id), None)
        if mine is None:
            raise Withdrawn(f"run {run_id} is deleted")
        if not self.owner.is_same(Owner.of(mine)):
            raise Withdrawn(f"run {run_id} is taken over by {mine.data.tags.get('owner')}")
        older = rows[: rows.index(mine)]
        for run in older:
            if run.info.status == "FINISHED" or is_alive(run):
                self.client.delete_run(run_id)
                raise Duplicate(f"run {run.info.run_id} is older")

    def state(self) -> str:
        """new, running, to resume or reused: what a claim would find."""
        rows = self.rows()
        if any(run.info.status == "FINISHED" for run in rows):
            return "reused"
        if any(map(is_alive, rows)):
            return "running"
        return "to resume" if any(self._checkpoints(run).epoch for run in rows) else "new"

    def _begin(self) -> Claim:
        return Claim(new_row(*self._context, mark(self.owner)))

    def end(self, outcome: str, error: str, run_id: str | None = None) -> str | None:
        """Record how the run of a process of this sweep that is gone has ended, in its row; one
        that failed before it had a row gets one.

        Returns the row's id; None if there is nothing to record, or the run itself has done so.
        """
        if run_id is None:
            left = [run.info.run_id for run in self.rows() if self._is_left_behind(run)]
            if not left and outcome == "killed":
                return None
            run_id = left[0] if left else new_row(*self._context)
        elif self.client.get_run(run_id).info.status != "RUNNING":
            return None
        end_row(self.client, run_id, self.config.sweep_id, outcome, error)
        return run_id

    def _is_left_behind(self, run: Run) -> bool:
        is_mine = run.data.tags.get("sweep_id") == self.config.sweep_id
        return is_mine and run.info.status != "FINISHED" and not is_alive(run)

    def _checkpoints(self, run: Run) -> Checkpoints:
        return Checkpoints(self._folder(run))

    def _folder(self, run: Run) -> Path:
        return Path(self.config.output_dir) / "runs" / str(run.info.run_id)

    def _reuse(self, run: Run) -> None:
        if self.sweep_tag not in run.data.tags:
            self.client.set_tag(run.info.run_id, self.sweep_tag, "reused")

    def _take_over(self, rows: list[Run]) -> Claim | None:
        """Go on with a run that nobody is at: one with a checkpoint in this output folder, else
        one that had not trained an epoch. Others that a death left RUNNING are failed."""
        rows = sorted(rows, key=lambda run: -self._checkpoints(run).epoch)
        chosen: Claim | None = None
        for run in rows:
            resumed = self._checkpoints(run).epoch > 0
            if chosen is None and (resumed or "train_loss" not in run.data.metrics):
                chosen = Claim(run.info.run_id)
                self._put_mark(run, "resumed" if resumed else "trained")
            elif run.info.status == "RUNNING":
                reason = "its process is gone, and its checkpoint is not in this output_dir"
                end_row(self.client, run.info.run_id, run.data.tags["sweep_id"], "failed", reason)
        if chosen is not None:
            time.sleep(SETTLE_SECONDS)
        return chosen

    def _put_mark(self, run: Run, how: str) -> None:
        tags = {**mark(self.owner), "sweep_id": self.config.sweep_id, self.sweep_tag: how}
        run_id = run.info.run_id
        self.client.log_batch(run_id, tags=[RunTag(name, value) for name, value in tags.items()])
        self.client.update_run(run_id, status="RUNNING")
        if run.inputs is None or not run.inputs.dataset_inputs:  # what filled it was interrupted
            fill_row(self.client, run_id, self.config, self.corpus)
        for name in {"error", "outcome"} & run.data.tags.keys():
            self.client.delete_tag(run_id, name)

    @contextmanager
    def heartbeat(self, run_id: str) -> Iterator[Callable[[], None]]:
        """Show every 30 s that this process is at the run.

        What it gives is called after each batch, and raises Withdrawn if another has the run.
        """
        ended, lost = threading.Event(), list[Withdrawn]()

        def beat() -> None:
            while not ended.wait(HEARTBEAT_SECONDS):
                try:
                    self.hold(run_id)
                    self.client.set_tag(run_id, "heartbeat", f"{time.time():.0f}")
                except Withdrawn as withdrawn:
                    lost.append(withdrawn)
                    return
                except Exception as error:
                    if not unreachable(error):
                        log.warning("No heartbeat: %s", error)

        def check() -> None:
            if lost:
                raise lost[0]

        thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
        thread.start()
        try:
            yield check
        finally:
            ended.set()
            thread.join(timeout=2 * POLL_SECONDS)

"""Who answers a question: the run that has, the process that is at it, or this one.

MLflow cannot compare and set. So every claim is looked at again: of two live runs with one key the
older goes on, and the younger withdraws and waits for it.
"""

import logging
import os
import platform
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from mlflow import MlflowClient
from mlflow.entities import Run, RunTag

from rnn_bench.config.options import UsageError
from rnn_bench.config.schemas import Config
from rnn_bench.data.encoding import EncodedCorpus
from rnn_bench.tracking.keys import run_key
from rnn_bench.tracking.outbox import UNSENT, send_unsent, unreachable
from rnn_bench.tracking.record import Withdrawn, end_row, new_row
from rnn_bench.training.checkpoint import Checkpoints

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 30
DEAD_AFTER_SECONDS = 300  # without a heartbeat
POLL_SECONDS = 2
SETTLE_SECONDS = 0.3  # for another process's claim to become visible
START_TIME_TOLERANCE = 2  # seconds; the clock's own corrections move a process's start time


class Busy(Exception):
    """Another process is answering the question."""


@dataclass(frozen=True)
class Owner:
    """A process: its host, id, and start time in seconds since 1970."""

    host: str
    process: int
    started: float

    @classmethod
    def this_process(cls) -> "Owner":
        return cls(platform.node(), os.getpid(), psutil.Process().create_time())

    @classmethod
    def of(cls, run: Run) -> "Owner | None":
        """Who began or took over a run; None if its row does not say."""
        host, _, rest = run.data.tags.get("owner", "").partition(" ")
        process, _, started = rest.partition(" ")
        return cls(host, int(process), float(started)) if started else None

    def __str__(self) -> str:
        return f"{self.host} {self.process} {self.started}"

    def is_same(self, other: "Owner | None") -> bool:
        return (
            other is not None
            and (self.host, self.process) == (other.host, other.process)
            and abs(self.started - other.started) < START_TIME_TOLERANCE
        )

    def is_gone(self) -> bool:
        """Whether it is known to have ended, which only its own host can say."""
        if self.host != platform.node():
            return False
        try:
            there = psutil.Process(self.process)
            zombie = there.status() == psutil.STATUS_ZOMBIE
            return zombie or abs(there.create_time() - self.started) > START_TIME_TOLERANCE
        except psutil.NoSuchProcess:
            return True


def is_alive(run: Run) -> bool:
    """Whether somebody is at a run that is not ended: its process is there, as far as this host
    can tell, and its last heartbeat is less than five minutes old."""
    if run.info.status != "RUNNING":
        return False
    owner = Owner.of(run)
    last = float(run.data.tags.get("heartbeat", run.info.start_time / 1000))
    beats = time.time() - last < DEAD_AFTER_SECONDS
    return beats and not (owner is not None and owner.is_gone())


def mark(owner: Owner) -> dict[str, str]:
    """The tags by which a process holds a run."""
    return {"owner": str(owner), "heartbeat": f"{time.time():.0f}"}


@dataclass(frozen=True)
class Claim:
    """A run to make, in a row of this process, or the run that `answers`."""

    run_id: str
    answers: Run | None = None
    resumed: bool = False


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

    def rows(self) -> list[Run]:
        """All that bear the key, oldest first."""
        found = self.client.search_runs(
            [self.experiment_id],
            f"tags.run_key = '{self.key}'",
            order_by=["attributes.start_time ASC"],
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

    def claim(self, check: Callable[[], None], patient: bool = True) -> Claim:
        """Find the answer, wait for it, go on with what somebody left, or begin a new row.

        `check` is called while it waits, and may raise to end that.

        Raises:
            Busy: another process is at it, and this one is not `patient`.
        """
        told = False
        while True:
            rows = self._rows_with_their_ends()
            if not self.config.rerun:
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
                    check()
                    time.sleep(POLL_SECONDS)
                    continue
            claim = (None if self.config.rerun else self._take_over(rows)) or self._begin()
            try:
                self.hold(claim.run_id)
                return claim
            except Withdrawn:
                continue

    def hold(self, run_id: str) -> None:
        """Make sure that a row is still this process's, and nobody older is at the question; as
        far as MLflow can be reached.

        Raises:
            Withdrawn: it is not; a row of this process is deleted.
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
        if self.config.rerun:
            return
        older = rows[: rows.index(mine)]
        for run in older:
            if run.info.status == "FINISHED" or is_alive(run):
                self.client.delete_run(run_id)
                raise Withdrawn(f"run {run.info.run_id} is older")

    def state(self) -> str:
        """new, running, to resume or reused: what a claim would find."""
        rows = self.rows()
        if self.config.rerun:
            return "new"
        if any(run.info.status == "FINISHED" for run in rows):
            return "reused"
        if any(map(is_alive, rows)):
            return "running"
        return "to resume" if any(self._checkpoints(run).epoch for run in rows) else "new"

    def _begin(self) -> Claim:
        context = (self.client, self.experiment_id, self.name, self.config, self.corpus)
        return Claim(new_row(*context, mark(self.owner)))

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
                chosen = Claim(run.info.run_id, resumed=resumed)
                self._put_mark(run, "resumed" if resumed else "trained")
            elif run.info.status == "RUNNING":
                reason = "its process is gone, and its checkpoint is not in this output_dir"
                end_row(self.client, run.info.run_id, run.data.tags["sweep_id"], "failed", reason)
        if chosen is not None:
            time.sleep(SETTLE_SECONDS)
        return chosen

    def _put_mark(self, run: Run, how: str) -> None:
        tags = {**mark(self.owner), self.sweep_tag: how}
        run_id = run.info.run_id
        self.client.log_batch(run_id, tags=[RunTag(name, value) for name, value in tags.items()])
        self.client.update_run(run_id, status="RUNNING")
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

"""The packed launcher's work: which run begins when and where, and what becomes of each."""

import logging
from collections.abc import Sequence
from multiprocessing.connection import wait
from pathlib import Path

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from rnn_bench.config.composition import Job
from rnn_bench.config.launcher import Packed
from rnn_bench.sweep.corpora import prepare_corpora
from rnn_bench.sweep.local.devices import Place, chosen_gpus, places_of, visible_gpus, wanted_gpu
from rnn_bench.sweep.local.progress_table import LiveTable
from rnn_bench.sweep.local.queued_run import Progress, Task
from rnn_bench.sweep.local.worker import Elsewhere, LogLine
from rnn_bench.sweep.local.worker_handle import EVENTS, Process
from rnn_bench.sweep.plan import expected_seconds
from rnn_bench.tracking.availability import short_timeouts
from rnn_bench.tracking.claims import RunClaims
from rnn_bench.tracking.run_key import run_key, run_name
from rnn_bench.tracking.store import open_store
from rnn_bench.training import interruption

log = logging.getLogger("rnn_bench")

POLL_SECONDS = 0.2  # between looks at signals, time-outs and the table


def make_runs(jobs: Sequence[Job], packing: Packed) -> None:
    """Make the run of each of a sweep's jobs, as many at once as this machine has places for.

    Raises:
        UsageError: data, devices or store are not as the configs say; nothing was trained.
        KeyboardInterrupt: a signal ended the sweep.
    """
    gpus = chosen_gpus(packing, visible_gpus())
    client, experiment_id = open_store(jobs[0].config.tracking)
    corpora = prepare_corpora(jobs)
    tasks = [
        Task(
            job=job,
            corpus=corpus,
            name=run_name(job.config, job.defaults),
            key=run_key(job.config, corpus.content.fingerprint),
            expected=expected_seconds(job, corpus, client, experiment_id),
            gpu=wanted_gpu(job.config, len(gpus)),
        )
        for job, corpus in zip(jobs, corpora, strict=True)
    ]
    places = places_of(jobs, corpora, packing, gpus)
    log.info("%d runs, %d at once.", len(tasks), sum(place.slots for place in places))
    Queue(tasks, places, packing, client, experiment_id).work_off()


class Queue:
    """The tasks that wait, the longest first, and the processes that work on others."""

    def __init__(
        self,
        tasks: Sequence[Task],
        places: Sequence[Place],
        packing: Packed,
        client: MlflowClient,
        experiment_id: str,
    ) -> None:
        self.tasks, self.places, self.packing = [*tasks], [*places], packing
        self.client, self.experiment_id = client, experiment_id
        self.waiting = sorted(tasks, key=lambda task: -task.expected)
        self.processes: list[Process] = []
        self.signals = 0

    def work_off(self) -> None:
        """Make every run.

        Raises:
            KeyboardInterrupt: a signal came. One stops each run at its next batch, two at once.
        """
        slots = sum(place.slots for place in self.places)
        with interruption.counting() as signals, LiveTable(self.tasks, slots) as table:
            try:
                while self.waiting or self.processes:
                    self._obey(signals())
                    self._start()
                    self._listen(table)
                    self._end_late_ones()
                    table.refresh()
            finally:
                for process in self.processes:
                    process.kill()
            if self.signals:
                interruption.stop()

    def _obey(self, signals: int) -> None:
        if signals == self.signals:
            return
        if self.signals == 0:
            log.info("Stopping at the next batch. Ctrl-C again stops at once.")
        self.signals = signals
        self.waiting.clear()
        for process in self.processes:
            process.stop() if signals == 1 else process.kill()

    # --- which run begins when and where

    def _start(self) -> None:
        """Give each free slot the longest run that waits, and each place whose slots are taken
        one process that prepares the next."""
        while self._fill_a_slot():
            pass
        for place in self.places:
            here = self._at(place)
            if all(process.has_started for process in here) and (task := self._take(place)):
                self._process_for(task, place)
        for process in self.processes:
            if process.task is None and not process.gone:
                process.dismiss()

    def _fill_a_slot(self) -> bool:
        """In the place with the most room; returns whether there was one with a run for it."""
        free = [(len(self._running(place)) - place.slots, place) for place in self.places]
        for taken, place in sorted(free, key=lambda each: each[0]):
            if taken >= 0:
                return False
            prepared = [each for each in self._at(place) if each.task and not each.gone]
            if not prepared and (task := self._take(place)):
                prepared = [self._process_for(task, place)]
            if prepared:
                prepared[0].go()
                return True
        return False

    def _at(self, place: Place) -> list[Process]:
        return [process for process in self.processes if process.place == place]

    def _running(self, place: Place) -> list[Process]:
        return [process for process in self._at(place) if process.task and process.gone]

    def _take(self, place: Place) -> Task | None:
        """The longest waiting task for a place. One that asks the same question as a run that is
        being made waits for its answer."""
        asked = {process.task.key for process in self.processes if process.task}
        number = place.number if place.gpu else None
        for task in self.waiting:
            here = task.gpu == number or (task.gpu == -1 and number is not None)
            if here and task.key not in asked:
                self.waiting.remove(task)
                return task
        return None

    def _process_for(self, task: Task, place: Place) -> Process:
        # While there are other runs to make, nobody waits for a run that another sweep is at.
        patient = task.elsewhere or not self.waiting
        for process in self._at(place):
            if process.task is None and not process.gone:
                process.assign(task, patient)
                return process
        process = Process(task, place, place.slots, patient)
        self.processes.append(process)
        return process

    # --- what becomes of each

    def _listen(self, table: LiveTable) -> None:
        connections = {process.connection: process for process in self.processes}
        for connection in wait([*connections], POLL_SECONDS):
            process = connections[connection]  # type: ignore[index]
            try:
                for message in process.messages():
                    if isinstance(message, LogLine):
                        table.log(message.level, message.text)
                    elif isinstance(message, EVENTS) and process.task:
                        process.task.progress.observe(message)
                        if process.task.progress.state == "reused":
                            process.release()
                    elif isinstance(message, Elsewhere) and process.task:
                        self._put_back(process.task)
                        process.release()
            except EOFError:
                self._end(process)

    def _put_back(self, task: Task) -> None:
        """Another sweep is at it: it comes last, to be waited for."""
        task.elsewhere, task.progress = True, Progress()
        self.waiting.append(task)

    def _end_late_ones(self) -> None:
        for process in self.processes:
            if process.is_late(self.packing.start_timeout):
                process.error = process.error or (
                    f"It did not start within {self.packing.start_timeout:g} s "
                    "(hydra.launcher.start_timeout)."
                )
                process.kill()

    def _end(self, process: Process) -> None:
        """Of a process; it decides what became of its run."""
        self.processes.remove(process)
        how, task = process.end(), process.task
        if task is None or task.progress.is_over:
            return
        error = process.error or how
        if self.signals:
            self._close_row(task, "killed", error, process.output)
            task.progress.end("killed")
            return
        self._close_row(task, "failed", error, process.output)
        task.attempts += 1
        again = task.attempts <= self.packing.retries
        log.error("%s failed: %s%s", task.name, error, " It is tried again." if again else "")
        if again:
            task.progress = Progress()
            self.waiting.insert(0, task)
        else:
            task.progress.end("failed")

    def _close_row(self, task: Task, outcome: str, error: str, output: Path) -> None:
        """See that the run has a row that says how it ended and a log that says why, also if it
        died before it could do so itself."""
        config = task.job.config
        ledger = RunClaims(self.client, self.experiment_id, task.name, config, task.corpus)
        try:
            with short_timeouts():
                run_id = ledger.end(outcome, error, task.progress.run_id)
            if run_id is None:
                return
            log_path = Path(config.output_dir) / "runs" / run_id / "log.txt"
            log_path.parent.mkdir(parents=True, exist_ok=True)
            said = output.read_text(errors="replace") if output.is_file() else ""
            with log_path.open("a", encoding="utf-8") as file:
                file.write(f"{said}{error}\n")
        except (MlflowException, OSError) as problem:
            log.warning("The end of %s could not be recorded: %s", task.name, problem)

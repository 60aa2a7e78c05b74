"""Schedules a sweep's runs on the devices of this machine."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from multiprocessing.connection import wait

from rnn_bench.config.composition import Job
from rnn_bench.config.launcher import Packed
from rnn_bench.sweep.corpora import prepare_corpora
from rnn_bench.sweep.local.devices import Device, can_run_on, devices_for, wanted_gpu
from rnn_bench.sweep.local.gpus import chosen_gpus, visible_gpus
from rnn_bench.sweep.local.mps import computing_at_once
from rnn_bench.sweep.local.progress_table import ProgressTable
from rnn_bench.sweep.local.queued_run import Progress, QueuedRun
from rnn_bench.sweep.local.recording import Recorder
from rnn_bench.sweep.local.worker_handle import WorkerHandle
from rnn_bench.sweep.plan import expected_seconds, newest_runs
from rnn_bench.tracking import schema
from rnn_bench.tracking.run_key import run_key, run_name
from rnn_bench.tracking.store import open_store
from rnn_bench.training import interruption
from rnn_bench.training.events import Ended

log = logging.getLogger("rnn_bench")

POLL_SECONDS = 0.2  # between looks at signals, time-outs and the table


def make_runs(jobs: Sequence[Job], packing: Packed) -> None:
    """Make the run of each of a sweep's jobs, as many at once as this machine's devices take.

    Raises:
        UsageError: a corpus, device or store cannot be used; nothing was trained.
        KeyboardInterrupt: a signal ended the sweep.
    """
    gpus = chosen_gpus(packing, visible_gpus())
    client, experiment_id = open_store(jobs[0].config.tracking)
    corpora = prepare_corpora(jobs)
    newest = newest_runs(client, experiment_id)
    runs = [
        QueuedRun(
            job=job,
            corpus=corpus,
            name=run_name(job.config, job.defaults),
            run_key=run_key(job.config, corpus.content.fingerprint),
            estimated_seconds=expected_seconds(job, corpus, newest),
            gpu=wanted_gpu(job.config, len(gpus)),
        )
        for job, corpus in zip(jobs, corpora, strict=True)
    ]
    devices = devices_for(jobs, corpora, packing, gpus)
    slots = sum(device.slots for device in devices)
    pace = f"{slots} at once"
    if any(device.search for device in devices):
        pace = "more and more at once as long as that pays"
    log.info("1 run." if len(runs) == 1 else f"{len(runs)} runs, {pace}.")
    with computing_at_once(packing.mps, devices):
        Scheduler(runs, devices, packing, Recorder(client, experiment_id)).make_runs()


class Scheduler:
    """Starts the longest waiting run whenever a device has a free slot, in a process of its own."""

    def __init__(
        self,
        runs: Sequence[QueuedRun],
        devices: Sequence[Device],
        packing: Packed,
        recorder: Recorder,
    ) -> None:
        self.runs, self.packing = [*runs], packing
        self.devices = [
            replace(device, slots=device.search.slots) if device.search else device
            for device in devices
        ]
        self.recorder = recorder
        self.waiting = sorted(runs, key=lambda queued: -queued.estimated_seconds)
        self.workers: list[WorkerHandle] = []
        self.signals = 0
        self._count_signals: Callable[[], int] = lambda: 0

    def make_runs(self) -> None:
        """Make every run.

        Raises:
            KeyboardInterrupt: a signal came. The first stops each run at its next batch, the second
                at once.
        """
        slots = sum(device.slots for device in self.devices)
        with interruption.counting() as signals, ProgressTable(self.runs, slots) as table:
            self._count_signals = signals
            try:
                self._reuse_answered(table)
                while self.waiting or self.workers:
                    self._handle_signals(signals())
                    started = self._start_next(table)
                    self._receive(table, timeout=0.0 if started else POLL_SECONDS)
                    self._kill_late_workers()
                    self._measure_throughput()
                    table.refresh()
            finally:
                for worker in self.workers:
                    worker.kill()
            if self.signals:
                interruption.stop()

    def _handle_signals(self, signals: int) -> None:
        if signals == self.signals:
            return
        if self.signals == 0:
            log.info("Stopping at the next batch. Ctrl-C again stops at once.")
        self.signals = signals
        self.waiting.clear()
        for worker in self.workers:
            worker.stop() if signals == 1 else worker.kill()

    # --- which run starts when and where

    def _start_next(self, table: ProgressTable) -> bool:
        """Start or reuse the next run, on the device with the most free slots; return whether there
        was a run for a free slot."""
        for device in sorted(self.devices, key=self._free_slots, reverse=True):
            if self._free_slots(device) <= 0:
                return False
            if queued := self._take(device):
                if not self._reuse(queued, table):
                    # A run that another sweep is making comes last.
                    patient = queued.is_elsewhere or not self.waiting
                    self.workers.append(WorkerHandle(queued, device, patient))
                return True
        return False

    def _free_slots(self, device: Device) -> int:
        return device.slots - self._running(device)

    def _running(self, device: Device) -> int:
        return sum(worker.device == device for worker in self.workers)

    def _measure_throughput(self) -> None:
        """Let a GPU whose throughput is measured train as many runs at once as that says."""
        for place, device in enumerate(self.devices):
            if device.search and any(can_run_on(queued.gpu, device) for queued in self.waiting):
                runs = [each.queued for each in self.workers if each.device == device]
                paces = [queued.pace for queued in runs if queued.progress.is_training]
                if found := device.search.observe(time.monotonic(), paces):
                    log.info("%s %s", device, found)
                    self.devices[place] = replace(device, slots=device.search.slots)

    def _take(self, device: Device) -> QueuedRun | None:
        """Take the longest waiting run for a device out of the queue and return it. A run waits
        while another with the same run key is being made."""
        being_made = {worker.queued.run_key for worker in self.workers}
        for queued in self.waiting:
            if can_run_on(queued.gpu, device) and queued.run_key not in being_made:
                self.waiting.remove(queued)
                return queued
        return None

    def _reuse_answered(self, table: ProgressTable) -> None:
        """Reuse every run that is recorded already, before the first process starts."""
        answered = self.recorder.answered_keys()
        for queued in [*self.waiting]:
            if self._count_signals():
                return
            if queued.run_key in answered and self._reuse(queued, table):
                self.waiting.remove(queued)
                table.refresh()

    def _reuse(self, queued: QueuedRun, table: ProgressTable) -> bool:
        """Reuse a recorded run instead of starting a process; return whether there was one."""
        recorded = self.recorder.reuse_run(queued)
        if recorded is None:
            return False
        run_id, accuracy = recorded.info.run_id, recorded.data.metrics.get(schema.TEST_ACCURACY)
        table.log(logging.INFO, f"{queued.name}  reused: run {run_id}")
        queued.progress.observe(Ended(run_id, schema.REUSED, accuracy))
        return True

    # --- how each run ends

    def _receive(self, table: ProgressTable, timeout: float) -> None:
        connections = {worker.connection: worker for worker in self.workers}
        ended = []
        for connection in wait([*connections], timeout):
            worker = connections[connection]  # type: ignore[index]
            try:
                for line in worker.receive():
                    table.log(line.level, line.text)
            except EOFError:
                ended.append(worker)
            if worker.out_of_memory and worker.beside is None:
                worker.beside = self._running(worker.device) - 1
        for worker in ended:  # once all are read: two runs may fail for want of the same memory
            self._finish(worker)
        table.slots = sum(device.slots for device in self.devices)

    def _kill_late_workers(self) -> None:
        for worker in self.workers:
            if worker.is_late(self.packing.start_timeout):
                worker.error = worker.error or (
                    f"It did not start within {self.packing.start_timeout:g} s "
                    "(hydra.launcher.start_timeout)."
                )
                worker.kill()

    def _finish(self, worker: WorkerHandle) -> None:
        """Record the end of a worker's run, or put the run back into the queue."""
        self.workers.remove(worker)
        how_it_ended, queued = worker.wait(), worker.queued
        if queued.progress.is_over:
            return
        error = worker.error or how_it_ended
        if self._count_signals():  # one to the whole group ends a worker before it is handled here
            self.recorder.record_end(queued, schema.KILLED, error, worker.output)
            queued.progress.end(schema.KILLED)
            return
        if worker.is_elsewhere:
            queued.is_elsewhere, queued.progress = True, Progress()
            self.waiting.append(queued)
            return
        outcome = schema.KILLED if worker.was_stopped else schema.FAILED
        self.recorder.record_end(queued, outcome, error, worker.output)
        crowded_out = bool(worker.beside) and not queued.was_crowded_out
        queued.was_crowded_out |= crowded_out
        queued.attempts += not crowded_out
        again = crowded_out or queued.attempts <= self.packing.retries
        end = "" if error.endswith(".") else "."
        log.error("%s failed: %s%s", queued.name, error, f"{end} It is tried again." * again)
        if worker.beside:
            self._start_fewer(worker.device, worker.beside + 1)
        if again:
            queued.progress = Progress()
            self.waiting.insert(0, queued)
        else:
            queued.progress.end(schema.FAILED)

    def _start_fewer(self, device: Device, running: int) -> None:
        """Let a device on which so many runs did not fit take fewer, but one at least."""
        place, slots = self.devices.index(device), max(1, running - 1)
        if device.search:
            device.search.allow(slots)
        if slots < self.devices[place].slots:
            self.devices[place] = replace(device, slots=slots)
            runs = "1 run" if slots == 1 else f"{slots} runs"
            log.warning("From now on %s takes %s at once.", device, runs)

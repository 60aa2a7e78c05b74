"""The run that this process trains: its claim, MLflow row, checkpoints, log file and events."""

import logging
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch

from rnn_bench.config.schema import Config
from rnn_bench.data.encoding import EncodedCorpus
from rnn_bench.tracking import schema
from rnn_bench.tracking.artifacts import run_log
from rnn_bench.tracking.availability import retry_until_reachable, short_timeouts
from rnn_bench.tracking.claims import RunClaims
from rnn_bench.tracking.further import (
    evaluate_finished_run,
    missing_evaluations,
    update_metrics,
    update_published,
)
from rnn_bench.tracking.heartbeat import heartbeat
from rnn_bench.tracking.outbox import ARTIFACTS
from rnn_bench.tracking.rows import Duplicate, Record, Withdrawn, run_record
from rnn_bench.tracking.run_key import run_name
from rnn_bench.tracking.store import open_store
from rnn_bench.training import interruption
from rnn_bench.training.checkpoint import Checkpoints
from rnn_bench.training.console import epoch_line
from rnn_bench.training.device import held_gpu_memory, use_threads
from rnn_bench.training.device_errors import explained_device_errors
from rnn_bench.training.epochs import EpochResult, Training
from rnn_bench.training.events import BatchDone, Ended, EpochDone, Started, Waiting, Watch
from rnn_bench.training.fitting import Fitting
from rnn_bench.training.start import planned_epochs

log = logging.getLogger(__name__)


def open_claims(config: Config, defaults: Config, corpus: EncodedCorpus, watch: Watch) -> RunClaims:
    """Return the claims on a config's run, once MLflow can be reached."""
    store = retry_until_reachable(lambda: open_store(config.tracking), on_wait(watch))
    return RunClaims(*store, run_name(config, defaults), config, corpus)


def claim_or_reuse(
    claims: RunClaims, device: torch.device, watch: Watch, patient: bool
) -> str | None:
    """Decide whether to train a run, wait for another process, or reuse a result.

    A reused result gets the metrics and further evaluations that are missing.

    Returns:
        the id of the row to train in; None if a result is reused.

    Raises:
        Busy: another process trains the run, and this one is not `patient`.
    """
    claim = claims.claim(on_wait(watch), patient)
    if claim.answer is None:
        return claim.run_id
    config, recorded = claims.config, claim.answer.data.metrics
    log.info("%s  reused: run %s", claims.name, claim.run_id)
    if config.evaluation.test:
        update_metrics(claims.client, claim.answer)
    update_published(claims.client, claim.answer, config)
    wanted = missing_evaluations(config, recorded, claims.name)
    if wanted.asks:
        epochs = planned_epochs(config, claims.corpus)
        watch(Started(claim.run_id, claims.name, epochs, epochs))
        use_threads(config.threads)
        with explained_device_errors():
            corpus = claims.corpus.to(device)
            evaluate_finished_run(claims.client, claim.answer, wanted, config, corpus, claims.name)
    watch(Ended(claim.run_id, schema.REUSED, recorded.get(schema.TEST_ACCURACY)))
    return None


@contextmanager
def claimed_run(claims: RunClaims, run_id: str, watch: Watch) -> Iterator["Attempt"]:
    """Hold a claimed run while the block trains it: heartbeat, row and log file.

    If the block raises, the row ends as failed, or as killed by an interruption. If another process
    has the run by now (Withdrawn), the block ends without an error.
    """
    checkpoints = Checkpoints(claims.folder(run_id))
    epochs = planned_epochs(claims.config, claims.corpus)
    watch(Started(run_id, claims.name, epochs, checkpoints.epoch))
    try:
        with (
            short_timeouts(),
            run_record(claims.client, run_id, claims.config.sweep_id, checkpoints.folder) as record,
            heartbeat(claims, run_id) as check_claim,
            run_log(checkpoints.folder / schema.LOG_FILE),
        ):
            yield Attempt(claims, run_id, record, checkpoints, check_claim, watch)
    except Withdrawn as reason:
        if isinstance(reason, Duplicate):
            shutil.rmtree(checkpoints.folder, ignore_errors=True)
        log.info("%s  continues in another process: %s", claims.name, reason)


class Attempt:
    """A run in training: it is recorded and saved after each epoch and at its end."""

    def __init__(
        self,
        claims: RunClaims,
        run_id: str,
        record: Record,
        checkpoints: Checkpoints,
        check_claim: Callable[[], None],
        watch: Watch,
    ) -> None:
        self.claims, self.run_id, self.name = claims, run_id, claims.name
        self.folder = checkpoints.folder
        self.artifacts = self.folder / ARTIFACTS
        self._record, self._checkpoints, self._watch = record, checkpoints, watch
        self._check_claim = check_claim
        self._conditions: Mapping[str, object] = {}

    def record_conditions(
        self, conditions: Mapping[str, object], concurrent_jobs: int | str | None
    ) -> None:
        """Record what the run is computed with and how many runs share the machine."""
        self._conditions = conditions
        self._record.add_tags({**conditions, schema.CONCURRENT_JOBS: concurrent_jobs})

    def resume(self, training: Training | Fitting) -> None:
        """Continue from the newest undamaged checkpoint, if there is one, and record the epochs
        that the row lacks."""
        state = self._checkpoints.load()
        if state is None:
            return
        training.load(state["training"])
        log.info("%s  goes on after epoch %d", self.name, len(training.history))
        for condition, before in state["conditions"].items():
            if self._conditions[condition] != before:
                log.warning(
                    "%s  began with %s=%s and goes on with %s: losses may differ in their last "
                    "digits",
                    *(self.name, condition, before, self._conditions[condition]),
                )
        for result in training.history:
            self._record.add_epoch(result)

    def on_batch(self, done: int, total: int) -> None:
        """Report that a batch is done.

        Raises:
            KeyboardInterrupt: a signal asks the run to stop.
            Withdrawn: another process has the run.
        """
        interruption.check()
        self._check_claim()
        self._watch(BatchDone(done, total))

    def save_epoch(self, result: EpochResult, training: Training | Fitting) -> None:
        """Write a checkpoint, then record and report the epoch that it ends with.

        Raises:
            Withdrawn: another process has the run.
        """
        state = {"training": training.state(), "conditions": self._conditions}
        self._checkpoints.save(result.epoch, state)
        self._record.add_epoch(result)
        corpus = self.claims.corpus
        log.info(epoch_line(self.name, result, planned_epochs(self.claims.config, corpus)))
        tokens = len(corpus.train.tokens) * result.share
        self._watch(EpochDone(result, tokens / result.training_seconds, held_gpu_memory()))
        if result.epoch == 1:
            self.claims.confirm(self.run_id)

    def finish(
        self, metrics: Mapping[str, float], tags: Mapping[str, object], outcome: str
    ) -> None:
        """Record the final metrics and tags, the artifact folder and the outcome.

        Raises:
            Withdrawn: another process has the run.
        """
        self.claims.confirm(self.run_id)
        self._record.finish(metrics, tags, outcome)
        self._watch(Ended(self.run_id, outcome, metrics.get(schema.TEST_ACCURACY)))


def on_wait(watch: Watch) -> Callable[[], None]:
    """Return a function that reports that a run waits, and raises after a signal."""

    def report() -> None:
        interruption.check()
        watch(Waiting())

    return report

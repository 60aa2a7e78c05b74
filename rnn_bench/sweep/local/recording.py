"""Records in MLflow, for a sweep's parent process, reused runs and runs whose process died."""

import logging
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from rnn_bench.config.errors import UsageError
from rnn_bench.sweep.local.queued_run import QueuedRun
from rnn_bench.tracking import schema
from rnn_bench.tracking.availability import short_timeouts
from rnn_bench.tracking.claims import RunClaims, find_answer
from rnn_bench.tracking.further import missing_evaluations, update_metrics
from rnn_bench.tracking.sweeps import all_runs

log = logging.getLogger("rnn_bench")


class Recorder:
    """The record of a sweep's runs in one experiment."""

    def __init__(self, client: MlflowClient, experiment_id: str) -> None:
        self.client, self.experiment_id = client, experiment_id

    def answered_keys(self) -> set[str]:
        """Return the run keys of all finished runs; none if MLflow cannot be reached."""
        try:
            with short_timeouts():
                finished = "attributes.status = 'FINISHED'"
                rows = all_runs(self.client, self.experiment_id, finished)
                return {row.data.tags.get(schema.RUN_KEY, "") for row in rows}
        except (MlflowException, OSError):  # the runs' processes can wait for MLflow
            return set()

    def reuse_run(self, queued: QueuedRun) -> Run | None:
        """Tag the finished run that has all results of a queued run with this sweep, and return it;
        None if there is none, or MLflow cannot be reached."""
        claims = self._claims(queued)
        try:
            with short_timeouts():
                answer = find_answer(claims.rows())
                if answer is None:
                    return None
                if missing_evaluations(queued.job.config, answer.data.metrics, queued.name).asks:
                    return None
                if queued.job.config.evaluation.test:
                    update_metrics(self.client, answer)
                claims.tag_as_reused(answer)
                return answer
        except (MlflowException, OSError):  # the run's process can wait for MLflow
            return None

    def record_end(self, queued: QueuedRun, outcome: str, error: str, output: Path) -> None:
        """Record the end of a run whose process died, and append the process's output (a file) and
        the error to the run's log."""
        claims = self._claims(queued)
        try:
            with short_timeouts():
                run_id = claims.end(outcome, error, queued.progress.run_id)
            if run_id is None:
                return
            log_path = claims.folder(run_id) / schema.LOG_FILE
            log_path.parent.mkdir(parents=True, exist_ok=True)
            printed = output.read_text(errors="replace") if output.is_file() else ""
            with log_path.open("a", encoding="utf-8") as file:
                file.write(f"{printed}{error}\n")
        except (MlflowException, OSError, UsageError) as problem:
            log.warning("The end of %s could not be recorded: %s", queued.name, problem)

    def _claims(self, queued: QueuedRun) -> RunClaims:
        return RunClaims(
            self.client, self.experiment_id, queued.name, queued.job.config, queued.corpus
        )

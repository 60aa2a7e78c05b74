"""Messages to MLflow, which wait in the run's folder while MLflow cannot be reached."""

import json
import logging
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric, RunTag

from rnn_bench.config.errors import UsageError
from rnn_bench.files import replaced_atomically
from rnn_bench.tracking.availability import short_timeouts, unreachable
from rnn_bench.tracking.store import connect
from rnn_bench.training.checkpoint import Checkpoints

log = logging.getLogger(__name__)

RETRY_SECONDS = 30
MOST_METRICS = 900  # at once: MLflow refuses more than 1,000 metrics and tags
UNSENT, ARTIFACTS = "unsent.jsonl", "artifacts"  # in a run's folder


@dataclass
class Message:
    """Something to record in a row.

    Metrics are (name, value, time in ms since 1970, step). With `artifacts`, the files in the run's
    artifact folder are sent too. `status` and `ended_ms` end the row.
    """

    metrics: list[tuple[str, float, int, int]] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    artifacts: bool = False
    status: str | None = None
    ended_ms: int | None = None

    @classmethod
    def read(cls, line: str) -> "Message":
        """Return the message that a line of JSON holds."""
        parts = json.loads(line)
        return cls(**{**parts, "metrics": [tuple(metric) for metric in parts["metrics"]]})

    def deliver(self, client: MlflowClient, run_id: str, folder: Path) -> None:
        """Record the message. Recording it twice is the same as once: MLflow drops a metric that is
        equal in name, step, value and time."""
        if self.artifacts:
            client.log_artifacts(run_id, str(folder / ARTIFACTS))
        if self.metrics or self.tags:
            metrics = [Metric(*each) for each in self.metrics]
            tags = [RunTag(*each) for each in self.tags.items()]
            while len(metrics) > MOST_METRICS:
                client.log_batch(run_id, metrics=metrics[:MOST_METRICS])
                del metrics[:MOST_METRICS]
            client.log_batch(run_id, metrics=metrics, tags=tags)
        if self.status:
            client.set_terminated(run_id, self.status, end_time=self.ended_ms)


class Outbox:
    """Sends the messages of a run in order. Those that cannot be sent wait in `unsent.jsonl`."""

    def __init__(self, client: MlflowClient, run_id: str, folder: Path) -> None:
        self.client, self.run_id, self.folder = client, run_id, folder
        self.waiting: list[Message] = []
        self._retry_at = 0.0

    def send(self, message: Message, now: bool = False) -> None:
        """Send the waiting messages and then this one, or keep all if MLflow cannot be reached.

        After a failure nothing is sent for RETRY_SECONDS, unless the message has to go `now`.

        Raises:
            MlflowException: MLflow refuses a message.
            OSError: the messages can neither be sent nor kept.
        """
        self.waiting.append(message)
        if not now and time.monotonic() < self._retry_at:
            self._keep()
            return
        try:
            while self.waiting:
                self.waiting[0].deliver(self.client, self.run_id, self.folder)
                del self.waiting[0]
        except Exception as error:
            if not unreachable(error):
                raise
            if not self._retry_at:
                log.warning(
                    "MLflow cannot be reached. What is to be recorded waits in %s.",
                    self.folder / UNSENT,
                )
            self._retry_at = time.monotonic() + RETRY_SECONDS
            self._keep()
            return
        if self._retry_at:
            log.info("MLflow is back; what waited is recorded.")
            self._retry_at = 0.0
        (self.folder / UNSENT).unlink(missing_ok=True)

    def _keep(self) -> None:
        """Write the waiting messages to `unsent.jsonl`, below a line that says where they go."""
        head = {"uri": self.client.tracking_uri, "run_id": self.run_id}
        lines = [head, *(asdict(message) for message in self.waiting)]
        with replaced_atomically(self.folder / UNSENT) as part:
            part.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")


def check_output_folder(name: str) -> Path:
    """Return the folder of an `output_dir` key; make it if it is missing.

    Raises:
        UsageError: it cannot be written.
    """
    folder = Path(name)
    try:
        (folder / "runs").mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder / "runs") as file:
            file.write(b"0")
    except OSError as error:
        raise UsageError(
            f"output_dir={name} cannot be written: {error.strerror or error}. "
            "Choose another with output_dir=..."
        ) from error
    return folder


def unsent(output_dir: Path) -> list[Path]:
    """Return the folders of the runs that have messages waiting."""
    return sorted(path.parent for path in (output_dir / "runs").glob(f"*/{UNSENT}"))


def send_unsent(folders: Sequence[Path]) -> list[str]:
    """Send the messages that wait in these folders of runs.

    Returns:
        a line for each folder whose messages still wait, with the reason.
    """
    problems = []
    for folder in folders:
        try:
            head, *lines = (folder / UNSENT).read_text(encoding="utf-8").splitlines()
            where: dict[str, Any] = json.loads(head)
            client = connect(where["uri"])
            messages = [Message.read(line) for line in lines]
            with short_timeouts():
                for message in messages:
                    message.deliver(client, where["run_id"], folder)
        except Exception as error:
            problems.append(f"{folder}: {type(error).__name__}: {str(error).splitlines()[0][:200]}")
            continue
        (folder / UNSENT).unlink(missing_ok=True)
        if messages[-1].status == "FINISHED":
            clear_run_folder(folder)
    return problems


def clear_run_folder(folder: Path) -> None:
    """Delete the artifact folder and the checkpoints of a run that is finished and recorded."""
    shutil.rmtree(folder / ARTIFACTS, ignore_errors=True)
    Checkpoints(folder).remove()

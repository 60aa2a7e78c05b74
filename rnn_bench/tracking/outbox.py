"""What a run tells MLflow, kept in the run's folder for as long as MLflow cannot be reached."""

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
from rnn_bench.tracking.availability import impatient, unreachable
from rnn_bench.training.checkpoint import Checkpoints

log = logging.getLogger(__name__)


RETRY_SECONDS = 30
UNSENT, ARTIFACTS = "unsent.jsonl", "artifacts"


@dataclass
class Message:
    """Metrics as (name, value, time in ms, step), tags, and a row's last status with its time.

    `artifacts`: the files of the folder of that name in the run's folder are to be sent.
    """

    metrics: list[tuple[str, float, int, int]] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    artifacts: bool = False
    status: str | None = None
    ended_ms: int | None = None

    @classmethod
    def read(cls, line: str) -> "Message":
        """A message from its line of JSON."""
        parts = json.loads(line)
        return cls(**{**parts, "metrics": [tuple(metric) for metric in parts["metrics"]]})

    def deliver(self, client: MlflowClient, run_id: str, folder: Path) -> None:
        """Record it. Doing so twice is as good as once: MLflow drops a metric that is equal in
        name, step, value and time."""
        if self.artifacts:
            client.log_artifacts(run_id, str(folder / ARTIFACTS))
        if self.metrics or self.tags:
            metrics = [Metric(*each) for each in self.metrics]
            tags = [RunTag(*each) for each in self.tags.items()]
            client.log_batch(run_id, metrics=metrics, tags=tags)
        if self.status:
            client.set_terminated(run_id, self.status, end_time=self.ended_ms)


class Outbox:
    """The messages of a run in order. What cannot be sent waits in `unsent.jsonl`."""

    def __init__(self, client: MlflowClient, run_id: str, folder: Path) -> None:
        self.client, self.run_id, self.folder = client, run_id, folder
        self.waiting: list[Message] = []
        self._retry_at = 0.0

    def send(self, message: Message, now: bool = False) -> None:
        """Send what waits and then this; where MLflow does not answer, keep it.

        After that MLflow is left alone for RETRY_SECONDS, unless it has to be `now`.

        Raises:
            MlflowException: MLflow refuses it.
            OSError: it can neither be sent nor kept.
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
        head = {"uri": self.client.tracking_uri, "run_id": self.run_id}
        lines = [head, *(asdict(message) for message in self.waiting)]
        part = self.folder / f"{UNSENT}.part"
        part.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
        part.replace(self.folder / UNSENT)


def check_output_folder(name: str) -> Path:
    """The folder of an `output_dir` key, made if it is missing.

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
    """The folders of runs of which something waits."""
    return sorted(path.parent for path in (output_dir / "runs").glob(f"*/{UNSENT}"))


def send_unsent(folders: Sequence[Path]) -> list[str]:
    """Send what waits in these folders of runs; returns a line for each that still waits."""
    problems = []
    for folder in folders:
        try:
            head, *lines = (folder / UNSENT).read_text(encoding="utf-8").splitlines()
            where: dict[str, Any] = json.loads(head)
            client = MlflowClient(where["uri"])
            messages = [Message.read(line) for line in lines]
            with impatient():
                for message in messages:
                    message.deliver(client, where["run_id"], folder)
        except Exception as error:
            problems.append(f"{folder}: {type(error).__name__}: {str(error).splitlines()[0][:200]}")
            continue
        (folder / UNSENT).unlink(missing_ok=True)
        if messages[-1].status == "FINISHED":
            clear(folder)
    return problems


def clear(folder: Path) -> None:
    """Delete what a run that is finished and recorded needs no more."""
    shutil.rmtree(folder / ARTIFACTS, ignore_errors=True)
    Checkpoints(folder).remove()

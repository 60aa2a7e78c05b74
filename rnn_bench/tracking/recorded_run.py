"""A run as MLflow has recorded it."""

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote, urlparse

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from rnn_bench.config.errors import shorten
from rnn_bench.data.corpus import DataError
from rnn_bench.tracking import schema
from rnn_bench.tracking.liveness import is_alive
from rnn_bench.tracking.local_files import refuse_local_files


@dataclass(frozen=True)
class RecordedRun:
    """A row of MLflow, with what is read from it. `client` is of the store that has it."""

    row: Run
    client: MlflowClient

    @property
    def id(self) -> str:
        return str(self.row.info.run_id)

    @property
    def name(self) -> str:
        return str(self.row.info.run_name)

    @property
    def tags(self) -> dict[str, str]:
        return dict(self.row.data.tags)

    @property
    def parameters(self) -> dict[str, str]:
        return dict(self.row.data.params)

    def number(self, parameter: str, default: float = math.nan) -> float:
        """Return the number that a parameter is; the default if it is missing or damaged."""
        try:
            return float(self.row.data.params[parameter])
        except (KeyError, ValueError):
            return default

    @property
    def metrics(self) -> dict[str, float]:
        return dict(self.row.data.metrics)

    def metric(self, name: str) -> float:
        """Return the last value of a metric; nan if it was not recorded."""
        return float(self.row.data.metrics.get(name, math.nan))

    def tag_number(self, name: str) -> float:
        """Return the number that a tag is; nan if it was not recorded or is damaged. Where there is
        no such tag, a metric of the name has it."""
        try:
            return float(self.row.data.tags[name])
        except KeyError:
            return self.metric(name)
        except ValueError:
            return math.nan

    @property
    def state(self) -> str:
        """finished, diverged, unlearned, failed, killed, running, or abandoned: RUNNING without a
        process."""
        if self.row.info.status == "RUNNING":
            return "running" if is_alive(self.row) else "abandoned"
        return self.tags.get(schema.OUTCOME, str(self.row.info.status).lower())

    @property
    def is_completed(self) -> bool:
        """Whether the run has a result. A diverged run has one, and one that did not learn."""
        return self.state in schema.ANSWERS

    @property
    def is_tested(self) -> bool:
        """Whether the run is one that reads the test articles. Another, such as a trial of a
        search, is no result of its model."""
        return self.tags.get(schema.TEST) != schema.UNREAD

    @property
    def is_baseline(self) -> bool:
        """Whether the model is a baseline, such as the majority class, and not a network."""
        if kind := self.tags.get(schema.KIND):
            return kind == schema.BASELINE
        # Rows from before this tag: only baselines were computed by scikit-learn.
        return self.tags.get(schema.KERNEL) == "scikit-learn"

    @property
    def ceiling(self) -> float:
        """The best possible accuracy on the run's test articles; nan if it is not known."""
        try:
            return float(self.row.data.tags[schema.CEILING])
        except (KeyError, ValueError):
            return math.nan

    def origin(self, sweep_id: str) -> str:
        """Return how a sweep came by the run: trained, reused, resumed or failed."""
        return self.tags.get(schema.SWEEP + sweep_id, "")

    def lacks_evaluation(self, sweep_id: str) -> bool:
        """Return whether the run has a result, but a further evaluation for the sweep failed."""
        return self.is_completed and self.origin(sweep_id) == schema.FAILED

    @property
    def fingerprint(self) -> str:
        """The hash of the prepared articles; empty if it was not recorded."""
        inputs = self.row.inputs.dataset_inputs if self.row.inputs else []
        return str(inputs[0].dataset.digest) if inputs else ""

    @cached_property
    def split_sizes(self) -> dict[str, int]:
        """The number of articles in train, validation and test; empty if it was not recorded."""
        inputs = self.row.inputs.dataset_inputs if self.row.inputs else []
        if not inputs:
            return {}
        tags = {tag.key: tag.value for tag in inputs[0].tags}
        # Rows from before this tag: the profile, which runs with another train_size may have made.
        profile = read_object(inputs[0].dataset.profile)
        sizes: Any = read_object(tags.get(schema.ARTICLES)) or profile.get("articles")
        try:
            return {split: int(count) for split, count in sizes.items()}
        except (ValueError, TypeError, AttributeError):
            return {}

    @cached_property
    def train_losses(self) -> dict[int, float]:
        """The training loss (in nats) by epoch."""
        return self._history(schema.TRAIN_LOSS)

    @cached_property
    def val_losses(self) -> dict[int, float]:
        """The validation loss (in nats) by epoch."""
        return self._history(schema.VAL_LOSS)

    def _history(self, metric: str) -> dict[int, float]:
        if metric not in self.row.data.metrics:
            return {}
        points = self.client.get_metric_history(self.id, metric)
        return dict(sorted((point.step, point.value) for point in points))

    @property
    def evaluated_epoch(self) -> int | None:
        """The epoch whose weights were tested; None if no epoch was recorded."""
        epochs = self.val_losses
        if not epochs:
            return None
        if self.parameters.get("protocol.evaluated_weights") == "last":
            return max(epochs)
        best = self.metric(schema.BEST_EPOCH)
        return None if math.isnan(best) else int(best)

    @property
    def evaluated_val_loss(self) -> float:
        """The validation loss (in nats) of the weights that were tested; nan if it is unknown."""
        epoch = self.evaluated_epoch
        return math.nan if epoch is None else self.val_losses.get(epoch, math.nan)

    @property
    def selected_by(self) -> str:
        """The validation figure by which the protocol chooses."""
        return self.parameters.get("protocol.select_by", schema.VAL_LOSS)

    @property
    def selection_figure(self) -> float:
        """The validation figure by which the protocol chooses, of the evaluated weights; the worst
        one where it, or the loss, is not finite."""
        loss, by_loss = self.evaluated_val_loss, self.selected_by == schema.VAL_LOSS
        history = self.val_losses if by_loss else self._history(self.selected_by)
        figure = history.get(self.evaluated_epoch or 0, math.nan)
        if math.isfinite(loss) and math.isfinite(figure):
            return figure
        return math.inf if by_loss else -math.inf

    @contextmanager
    def local_artifact(self, name: str) -> Iterator[Path | None]:
        """Give an artifact's path on this machine while the block runs, None if there is none.

        `name` is a file in the run's top artifact folder. It is downloaded from a remote store.

        Raises:
            DataError: it is there and cannot be downloaded.
            UsageError: the store is a server that names a folder of this machine.
        """
        uri = str(self.row.info.artifact_uri)
        refuse_local_files(uri, self.client.tracking_uri)
        if uri.startswith("file:"):
            path = Path(unquote(urlparse(uri).path), name)
            yield path if path.is_file() else None
            return
        with TemporaryDirectory() as folder:
            yield self._download(name, folder)

    def _download(self, name: str, folder: str) -> Path | None:
        try:
            if name not in self.artifact_names:  # a store may retry for minutes to get it
                return None
            return Path(self.client.download_artifacts(self.id, name, folder))
        except (MlflowException, OSError) as error:
            reason = shorten(str(error), 200)
            raise DataError(f"{name} cannot be downloaded: {reason}") from error

    @cached_property
    def artifact_names(self) -> set[str]:
        """The names of the files and folders in the run's top artifact folder."""
        return {item.path for item in self.client.list_artifacts(self.id)}


def read_object(text: str | None) -> dict[str, Any]:
    """Return the JSON object that a tag holds; an empty one if the tag is missing or damaged."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}

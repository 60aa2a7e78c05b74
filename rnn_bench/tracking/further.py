"""Evaluations of a run beyond its test articles: transfer to other corpora, and gradient flow; and
what a finished run lacks of them, of metrics and of published accuracies."""

import logging
import tempfile
from collections.abc import Callable, Container
from dataclasses import replace
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from torch import nn

from rnn_bench.config.errors import UsageError
from rnn_bench.config.evaluation import Evaluation
from rnn_bench.config.schema import Config
from rnn_bench.data.encoding import EncodedCorpus
from rnn_bench.evaluation.gradient_flow import (
    BY_INPUT,
    BY_STATE,
    INITIAL,
    NO_STEPS,
    TRAINED,
    gradient_flow,
    reach,
    reason_not_followed,
)
from rnn_bench.evaluation.metrics import compute_metrics, metric_versions, missing_metrics
from rnn_bench.evaluation.predictions import probabilities, read_predictions
from rnn_bench.evaluation.transfer import transfer_corpora, transfer_split, unknown_share
from rnn_bench.models.initial import initial_model
from rnn_bench.models.kernels.choice import fused_kernel
from rnn_bench.models.recurrent import RecurrentClassifier
from rnn_bench.models.weights import load_weights
from rnn_bench.tracking import schema
from rnn_bench.tracking.artifacts import write_predictions
from rnn_bench.tracking.availability import retry_until_reachable, unreachable
from rnn_bench.tracking.outbox import ARTIFACTS, Message
from rnn_bench.tracking.recorded_run import read_object
from rnn_bench.tracking.rows import now_ms, published_tag
from rnn_bench.training import interruption
from rnn_bench.training.prediction import accuracy, predict

log = logging.getLogger(__name__)

NOT_EVALUATED = "Run {} cannot be evaluated further: {} Train it again with rerun=true."


def missing_evaluations(config: Config, recorded: Container[str], name: str) -> Evaluation:
    """Return the further evaluations that a config asks for and a run's metrics do not answer.

    A model that is no recurrent network has no gradient flow.
    """
    corpora = [
        corpus
        for corpus in transfer_corpora(config)
        if f"{schema.TRANSFER}{corpus}/accuracy" not in recorded
    ]
    measured = schema.REACH.format(f"{TRAINED}_{BY_INPUT}") in recorded
    flow = config.evaluation.gradient_flow and not measured
    if flow and (reason := reason_not_followed(config.model)):
        log.info("%s  %s", name, reason)
        flow = False
    return replace(config.evaluation, transfer=corpora, gradient_flow=flow)


def evaluate_further(
    wanted: Evaluation,
    model: nn.Module,
    corpus: EncodedCorpus,
    config: Config,
    folder: Path,
    name: str,
    on_batch: Callable[[int, int], None],
) -> dict[str, float]:
    """Evaluate a model, on the device of its corpus, beyond its test articles.

    Writes `transfer/<corpus>/test_predictions.csv` and `gradient_flow.csv` into `folder`.

    Returns:
        the metrics: `transfer/<corpus>/accuracy` and `unknown_share`, the share of unknown
        tokens; `gradient_flow/initial_input_reach` and `trained_input_reach`, in steps, and
        `initial_state_reach` and `trained_state_reach` if the cell's states can be followed.
    """
    figures: dict[str, float] = {}
    folder.mkdir(parents=True, exist_ok=True)
    for other in wanted.transfer:
        split = transfer_split(other, config, corpus).to(corpus.test.tokens.device)
        logits = predict(model, split, config.protocol)
        correct, unknown = accuracy(logits, split.labels), unknown_share(split)
        place = f"{schema.TRANSFER}{other}"
        figures |= {f"{place}/accuracy": correct, f"{place}/unknown_share": unknown}
        path = folder / place / schema.PREDICTIONS_FILE
        write_predictions(path, corpus.classes, split.labels, probabilities(logits))
        log.info(
            "%s  transfer to %s: accuracy %.4f, %.1f %% of the tokens unknown",
            *(name, other, correct, 100 * unknown),
        )
    if wanted.gradient_flow:
        initial = initial_model(config, corpus)
        assert isinstance(initial, RecurrentClassifier)
        assert isinstance(model, RecurrentClassifier)
        initial.to(corpus.test.tokens.device)
        norms = gradient_flow(initial, model, corpus.test, config.protocol, on_batch)
        path = folder / schema.GRADIENT_FLOW_FILE
        norms.to_csv(path, index=False, float_format="%.9g", na_rep="nan")
        for by in (BY_INPUT, BY_STATE):
            columns = [f"{when}_{by}" for when in (INITIAL, TRAINED)]
            if columns[0] not in norms:
                log.info("%s  gradients by %s are not followed: %s", name, by, NO_STEPS)
                continue
            before, after = (reach(norms[column].to_numpy()) for column in columns)
            figures |= dict(zip(map(schema.REACH.format, columns), (before, after), strict=True))
            log.info(
                "%s  gradients by %s fall to 1 %% over %g steps before training, %g after",
                *(name, by, before, after),
            )
    return figures


def evaluate_finished_run(
    client: MlflowClient,
    run: Run,
    wanted: Evaluation,
    config: Config,
    corpus: EncodedCorpus,
    name: str,
) -> None:
    """Evaluate a finished run's stored weights further, and add the results to its row.

    Two processes that do so at once write the same: files with equal content, and metrics with
    the time of the run's end. If the evaluation fails, the row is tagged as failed for this sweep.

    Raises:
        UsageError: the weights are not in MLflow any more, or another corpus cannot be used.
    """
    run_id, sweep_tag = run.info.run_id, f"{schema.SWEEP}{config.sweep_id}"
    try:
        with tempfile.TemporaryDirectory() as temporary:
            device = corpus.test.tokens.device
            model = initial_model(config, corpus, fused_kernel(config, device))
            load_stored_weights(model, client, run_id, Path(temporary))
            model.to(device)
            figures = evaluate_further(
                wanted,
                model,
                corpus,
                config,
                Path(temporary) / ARTIFACTS,
                name,
                lambda done, total: interruption.check(),
            )
            metrics = [(key, value, run.info.end_time, 0) for key, value in figures.items()]
            was_failed = run.data.tags.get(sweep_tag) == schema.FAILED
            tags = {sweep_tag: schema.REUSED} if was_failed else {}
            message = Message(metrics, tags, artifacts=True)
            retry_until_reachable(
                lambda: message.deliver(client, run_id, Path(temporary)), interruption.check
            )
    except Exception:
        client.set_tag(run_id, sweep_tag, schema.FAILED)
        raise


def update_metrics(client: MlflowClient, run: Run) -> None:
    """Record the metrics that a finished run lacks, or has by an older version, computed from its
    stored predictions. Where these are missing or damaged, log a warning."""
    versions = read_object(run.data.tags.get(schema.METRIC_VERSIONS))
    outdated = missing_metrics(run.data.metrics, versions)
    if not outdated:
        return
    run_id = run.info.run_id
    with tempfile.TemporaryDirectory() as temporary:
        try:
            path = client.download_artifacts(run_id, schema.PREDICTIONS_FILE, temporary)
            predictions = read_predictions(Path(path))
        except (MlflowException, OSError, UsageError) as error:
            log.warning(
                "Run %s has no current %s, and no stored predictions to compute it from: %s",
                *(run_id, " and ".join(outdated), error),
            )
            return
    now = now_ms()  # a later time than the outdated value's: MLflow shows the latest
    figures = compute_metrics(predictions, outdated)
    metrics = [(name, value, now, 0) for name, value in figures.items()]
    message = Message(metrics, {schema.METRIC_VERSIONS: metric_versions()})
    retry_until_reachable(lambda: message.deliver(client, run_id, Path()), interruption.check)


def update_published(client: MlflowClient, run: Run, config: Config) -> None:
    """Record the published accuracies of the corpus, where a finished run has others or none."""
    tags = published_tag(config)
    if not tags.items() <= run.data.tags.items():
        message = Message(tags=tags)
        run_id = run.info.run_id
        retry_until_reachable(lambda: message.deliver(client, run_id, Path()), interruption.check)


def load_stored_weights(model: nn.Module, client: MlflowClient, run_id: str, folder: Path) -> None:
    """Give a model the weights that a run was tested with; they are downloaded into a folder.

    Raises:
        UsageError: MLflow does not have them, or they are damaged.
    """
    try:
        path = retry_until_reachable(
            lambda: client.download_artifacts(run_id, schema.WEIGHTS_FILE, str(folder)),
            interruption.check,
        )
    except MlflowException as error:
        if unreachable(error):
            raise
        raise UsageError(NOT_EVALUATED.format(run_id, "its weights are not in MLflow.")) from error
    try:
        load_weights(model, Path(path), "the run's settings")
    except UsageError as error:
        raise UsageError(NOT_EVALUATED.format(run_id, error)) from error

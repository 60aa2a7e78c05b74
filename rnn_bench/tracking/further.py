"""What a run is asked beside its test articles, when it ends or once it is finished."""

import json
import logging
import tempfile
import time
from collections.abc import Callable, Container
from dataclasses import replace
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from safetensors.torch import load_file
from torch import Tensor, nn

from rnn_bench.config.errors import UsageError
from rnn_bench.config.evaluation import Evaluation
from rnn_bench.config.schema import Config
from rnn_bench.data.encoding import EncodedCorpus
from rnn_bench.evaluation.gradient_flow import gradient_flow, reach, reason_not_followed
from rnn_bench.evaluation.metrics import METRICS, metric_versions
from rnn_bench.evaluation.predictions import probabilities, read_predictions
from rnn_bench.evaluation.transfer import transfer_corpora, transfer_split, unknown_share
from rnn_bench.models.initial import initial_model
from rnn_bench.models.kernels.choice import fused_kernel
from rnn_bench.models.recurrent import RecurrentClassifier
from rnn_bench.tracking import schema
from rnn_bench.tracking.artifacts import write_predictions
from rnn_bench.tracking.availability import retry_until_reachable, unreachable
from rnn_bench.tracking.outbox import ARTIFACTS, Message
from rnn_bench.training import interruption
from rnn_bench.training.prediction import accuracy, predict

log = logging.getLogger(__name__)


def lacking(config: Config, recorded: Container[str], name: str) -> Evaluation:
    """What a run is asked beside its test articles, without what its `recorded` metrics answer.

    A model without hidden states to follow has no gradient flow.
    """
    corpora = [
        corpus
        for corpus in transfer_corpora(config)
        if f"transfer/{corpus}/accuracy" not in recorded
    ]
    flow = config.evaluation.gradient_flow and "gradient_flow/trained_reach" not in recorded
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
    """Make the wanted evaluations of a model that lies where the corpus does.

    Into `folder` go `transfer/<corpus>/test_predictions.csv` and `gradient_flow.csv`.

    Returns:
        the metrics: `transfer/<corpus>/accuracy` and `unknown_share`, the share of unknown
        tokens; `gradient_flow/initial_reach` and `trained_reach`, in steps.
    """
    figures: dict[str, float] = {}
    folder.mkdir(parents=True, exist_ok=True)
    for other in wanted.transfer:
        split = transfer_split(other, config, corpus).to(corpus.test.tokens.device)
        logits = predict(model, split, config.protocol)
        figures[f"transfer/{other}/accuracy"] = accuracy(logits, split.labels)
        figures[f"transfer/{other}/unknown_share"] = unknown_share(split)
        path = folder / "transfer" / other / "test_predictions.csv"
        write_predictions(path, corpus.classes, split.labels, probabilities(logits))
        log.info(
            "%s  transfer to %s: accuracy %.4f, %.1f %% of the tokens unknown",
            *(name, other, figures[f"transfer/{other}/accuracy"]),
            100 * figures[f"transfer/{other}/unknown_share"],
        )
    if wanted.gradient_flow:
        initial = initial_model(config, corpus)
        assert isinstance(initial, RecurrentClassifier)
        assert isinstance(model, RecurrentClassifier)
        initial.to(corpus.test.tokens.device)
        norms = gradient_flow(initial, model, corpus.test, config.protocol, on_batch)
        norms.to_csv(folder / "gradient_flow.csv", index=False, float_format="%.9g", na_rep="nan")
        for weights in ("initial", "trained"):
            figures[f"gradient_flow/{weights}_reach"] = reach(norms[weights].to_numpy())
        log.info(
            "%s  gradients reach %g steps back before training, %g after",
            *(name, figures["gradient_flow/initial_reach"]),
            figures["gradient_flow/trained_reach"],
        )
    return figures


def complete(
    client: MlflowClient,
    run: Run,
    wanted: Evaluation,
    config: Config,
    corpus: EncodedCorpus,
    name: str,
) -> None:
    """Evaluate a finished run further, with the weights that it was tested with, and record that
    in its row. Nothing else of the row changes.

    Two processes that do so at once write the same: files with equal content, and metrics with
    the time of the run's end. If it fails, the row says so for this sweep.

    Raises:
        UsageError: the weights are not in MLflow any more, or a corpus is not as it should be.
    """
    run_id, sweep_tag = run.info.run_id, f"sweep.{config.sweep_id}"
    try:
        with tempfile.TemporaryDirectory() as temporary:
            device = corpus.test.tokens.device
            model = initial_model(config, corpus, fused_kernel(config, device))
            model.load_state_dict(stored_weights(client, run_id, Path(temporary)))
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
            was_failed = run.data.tags.get(sweep_tag) == "failed"
            message = Message(metrics, {sweep_tag: "reused"} if was_failed else {}, artifacts=True)
            retry_until_reachable(
                lambda: message.deliver(client, run_id, Path(temporary)), interruption.check
            )
    except Exception:
        client.set_tag(run_id, sweep_tag, "failed")
        raise


def outdated_metrics(run: Run) -> list[str]:
    """Return the metrics that a finished run lacks, or has by an older version."""
    versions = json.loads(run.data.tags.get(schema.METRIC_VERSIONS, "{}"))
    return [
        name
        for name, metric in METRICS.items()
        if name not in run.data.metrics or versions.get(name, 1) != metric.version
    ]


def update_metrics(client: MlflowClient, run: Run) -> dict[str, float]:
    """Compute a finished run's outdated metrics from its stored predictions, and record them.

    Returns:
        the metrics that were computed, by name; none if all are current, or if the predictions are
        not in MLflow any more, which is logged.
    """
    if not (outdated := outdated_metrics(run)):
        return {}
    run_id = run.info.run_id
    with tempfile.TemporaryDirectory() as temporary:
        try:
            path = client.download_artifacts(run_id, schema.PREDICTIONS_FILE, temporary)
        except (MlflowException, OSError) as error:
            log.warning(
                "Run %s has no current %s, and no stored predictions to compute it from: %s",
                *(run_id, " and ".join(outdated), error),
            )
            return {}
        predictions = read_predictions(Path(path))
    figures = {name: METRICS[name].compute(predictions) for name in outdated}
    now = int(time.time() * 1000)  # a later time than the outdated value's: MLflow shows the latest
    metrics = [(name, value, now, 0) for name, value in figures.items()]
    message = Message(metrics, {schema.METRIC_VERSIONS: metric_versions()})
    retry_until_reachable(lambda: message.deliver(client, run_id, Path()), interruption.check)
    return figures


def stored_weights(client: MlflowClient, run_id: str, folder: Path) -> dict[str, Tensor]:
    """The weights that a run was tested with, downloaded into a folder.

    Raises:
        UsageError: MLflow does not have them.
    """
    try:
        path = retry_until_reachable(
            lambda: client.download_artifacts(run_id, "weights.safetensors", str(folder)),
            interruption.check,
        )
    except MlflowException as error:
        if unreachable(error):
            raise
        raise UsageError(
            f"Run {run_id} cannot be evaluated further: its weights are not in MLflow. "
            "Train it again with rerun=true."
        ) from error
    return load_file(path)

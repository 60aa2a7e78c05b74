"""One run, as the method section of a paper would tell it."""

import logging
import platform
from collections.abc import Sequence

import torch
from torch import nn

from rnn_bench.config.schema import Config
from rnn_bench.data.encoding import EncodedCorpus, encoded_corpus
from rnn_bench.evaluation.metrics import evaluate
from rnn_bench.evaluation.predictions import probabilities
from rnn_bench.models.initial import initial_model
from rnn_bench.models.kernels.choice import fused_kernel
from rnn_bench.models.kernels.fused import FusedKernel
from rnn_bench.models.precision import check_tensor_cores
from rnn_bench.tracking import schema
from rnn_bench.tracking.artifacts import write_artifacts
from rnn_bench.tracking.attempt import Attempt, claim_or_reuse, claimed_run, open_claims
from rnn_bench.tracking.further import evaluate_further, missing_evaluations
from rnn_bench.training.device import (
    deterministic_algorithms,
    device_name,
    kernel,
    peak_memory_bytes,
    reset_peak_memory,
    run_device,
    use_threads,
)
from rnn_bench.training.device_errors import explained_device_errors
from rnn_bench.training.epochs import EpochResult, Training
from rnn_bench.training.events import Watch
from rnn_bench.training.prediction import predict
from rnn_bench.training.start import start_training
from rnn_bench.training.summary import learned_epoch, training_metrics, training_tags

log = logging.getLogger(__name__)


def run(
    config: Config,
    defaults: Config,
    concurrent_jobs: int | str | None,
    watch: Watch,
    patient: bool = True,
) -> None:
    """Train and test the model of a config and record that in MLflow, or reuse a recorded result.

    While another process trains the same run, this one waits for it if it is `patient`; a run that
    was interrupted continues from its checkpoint. `defaults` are the config's options with no key
    changed, `concurrent_jobs` is how many runs share the machine (None: not known; or
    `schema.VARYING`), and `watch` gets the events of the run.

    Raises:
        UsageError: the corpus, device, store or output folder of the config cannot be used.
        Busy: another process trains the run, and this one is not patient.
    """
    with deterministic_algorithms(config.deterministic):
        with explained_device_errors():
            device = run_device(config)
            check_tensor_cores(config.protocol.precision, device)
            fused = fused_kernel(config, device)
        corpus = encoded_corpus(config)
        claims = open_claims(config, defaults, corpus, watch)
        while run_id := claim_or_reuse(claims, device, watch, patient):
            with claimed_run(claims, run_id, watch) as attempt, explained_device_errors():
                train_and_test(attempt, config, corpus, device, fused, concurrent_jobs)
                return


def train_and_test(
    attempt: Attempt,
    config: Config,
    corpus: EncodedCorpus,
    device: torch.device,
    fused: FusedKernel | None,
    concurrent_jobs: int | str | None,
) -> None:
    """Train a config's model, test it, evaluate it further, and record all of it. A run that reads
    no test articles is not tested."""
    use_threads(config.threads)
    model = initial_model(config, corpus, fused)
    conditions = conditions_of(model, device, config.protocol.precision)
    attempt.record_conditions(conditions, concurrent_jobs)
    reset_peak_memory(device)
    corpus = corpus.to(device)
    training = start_training(model, corpus, config)
    attempt.resume(training)
    for result in training.epochs(attempt.on_batch):
        attempt.save_epoch(result, training)

    outcome = outcome_of(training.history)
    metrics = training_metrics(training.history, corpus, config.protocol.select_by)
    tags = training_tags(training.history, corpus)
    if device.type == "cuda" and isinstance(training, Training):
        tags[schema.GRAPH] = str(training.captures)
    predicted, figure = None, f"best epoch {metrics[schema.BEST_EPOCH]:.0f}"
    if config.evaluation.test:
        logits = predict(model, corpus.test, config.protocol)
        predicted = probabilities(logits)
        metrics |= evaluate(logits, corpus.test, corpus.classes, config.protocol)
        figure = f"test accuracy {metrics[schema.TEST_ACCURACY]:.4f}"
    else:
        tags.pop(f"{schema.TRUNCATED}test")
    log.info("%s  %s, %s, run %s", attempt.name, outcome, figure, attempt.run_id)
    metrics |= {
        schema.PARAMETER_COUNT: sum(each.numel() for each in model.state_dict().values()),
        schema.PEAK_MEMORY_BYTES: peak_memory_bytes(device),
    }
    wanted = missing_evaluations(config, metrics, attempt.name)
    metrics |= evaluate_further(
        wanted, model, corpus, config, attempt.artifacts, attempt.name, attempt.on_batch
    )
    write_artifacts(attempt.folder, config, corpus, model.state_dict(), predicted)
    attempt.finish(metrics, tags, outcome)


def outcome_of(history: Sequence[EpochResult]) -> str:
    """Return how a training ended: diverged, unlearned if it never beat the best constant
    prediction, else finished."""
    if history[-1].diverged:
        return schema.DIVERGED
    return schema.UNLEARNED if learned_epoch(history) == 0 else schema.FINISHED


def conditions_of(model: nn.Module, device: torch.device, precision: str) -> dict[str, object]:
    """Return the tags of what can change the last digits of a run's losses."""
    return {
        schema.DEVICE: device_name(device),
        schema.THREADS: torch.get_num_threads(),
        schema.KERNEL: kernel(model, device, precision),
        schema.DETERMINISTIC: torch.are_deterministic_algorithms_enabled(),
        schema.HOST: platform.node(),
        f"{schema.VERSION}torch": str(torch.__version__),
    }

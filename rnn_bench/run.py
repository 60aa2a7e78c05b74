"""One run: load, encode, build, train, evaluate, record."""

import logging
import math
import platform
import shutil
from pathlib import Path

import torch
from torch import nn

from rnn_bench.config.options import build
from rnn_bench.config.schema import Config
from rnn_bench.data.encoding import EncodedCorpus, encoded_corpus
from rnn_bench.evaluation.metrics import evaluate
from rnn_bench.evaluation.predictions import probabilities
from rnn_bench.models.baselines.baseline import Baseline, is_baseline
from rnn_bench.models.initial import initial_model
from rnn_bench.models.kernels.choice import fused_kernel
from rnn_bench.tracking.artifacts import run_log, write_artifacts
from rnn_bench.tracking.availability import impatient, patiently
from rnn_bench.tracking.claims import Ledger
from rnn_bench.tracking.further import complete, evaluate_further, lacking
from rnn_bench.tracking.outbox import ARTIFACTS
from rnn_bench.tracking.rows import Duplicate, Withdrawn, recorded
from rnn_bench.tracking.run_key import run_name
from rnn_bench.tracking.store import open_store
from rnn_bench.training import interruption
from rnn_bench.training.checkpoint import Checkpoints
from rnn_bench.training.console import epoch_line
from rnn_bench.training.device import (
    device_name,
    find_device,
    kernel,
    peak_memory_bytes,
    reset_peak_memory,
    use_threads,
)
from rnn_bench.training.epochs import EpochResult, Fitting, Training
from rnn_bench.training.events import BatchDone, Ended, EpochDone, Started, Waiting, Watch
from rnn_bench.training.prediction import predict
from rnn_bench.training.updates import leave_compiler_out

log = logging.getLogger(__name__)


def run(
    config: Config,
    defaults: Config,
    concurrent_jobs: int | None,
    watch: Watch,
    patient: bool = True,
) -> None:
    """Train and evaluate what a config asks for, and record it; or find the run that already
    answers it, wait for a process that is at it (if `patient`), or go on with what one has left.

    `defaults` are the config's options with no key changed; `concurrent_jobs` is how many runs
    share the machine, if known; `watch` is told what happens.

    Raises:
        UsageError: data, device, store or output folder are not as the config says.
        Busy: another process is at it, and this one is not patient.
    """

    def on_wait() -> None:
        interruption.check()
        watch(Waiting())

    planned = 1 if is_baseline(config.model) else config.protocol.epochs
    device = find_device(config.device)
    if is_baseline(config.model):
        device = torch.device("cpu")
    fused = fused_kernel(config, device)
    client, experiment_id = patiently(lambda: open_store(config.tracking), on_wait)
    name = run_name(config, defaults)
    corpus = encoded_corpus(config)
    ledger = Ledger(client, experiment_id, name, config, corpus)
    claim = patiently(lambda: ledger.claim(on_wait, patient), on_wait)
    if claim.answers is not None:
        log.info("%s  reused: run %s", name, claim.run_id)
        wanted = lacking(config, claim.answers.data.metrics, name)
        if wanted.asks:
            watch(Started(claim.run_id, name, planned, planned))
            use_threads(config.threads)
            complete(client, claim.answers, wanted, config, corpus.to(device), name)
        watch(Ended(claim.run_id, "reused", claim.answers.data.metrics["test_accuracy"]))
        return

    folder = Path(config.output_dir) / "runs" / claim.run_id
    checkpoints = Checkpoints(folder)
    watch(Started(claim.run_id, name, planned, checkpoints.epoch))
    try:
        with (
            impatient(),
            recorded(client, claim.run_id, config.sweep_id, folder) as record,
            ledger.heartbeat(claim.run_id) as check_owner,
        ):
            with run_log(folder / "log.txt"):
                use_threads(config.threads)
                model = initial_model(config, corpus, fused)
                conditions = {
                    "device": device_name(device),
                    "threads": torch.get_num_threads(),
                    "kernel": kernel(model, device),
                    "host": platform.node(),
                    "version.torch": str(torch.__version__),
                }
                record.tags({**conditions, "concurrent_jobs": concurrent_jobs})
                reset_peak_memory(device)
                corpus = corpus.to(device)
                training = begun(model, corpus, config, device)
                if isinstance(training, Training):
                    resume(training, checkpoints, conditions, name)
                for result in training.history:
                    record.epoch(result)

                def on_batch(done: int, total: int) -> None:
                    interruption.check()
                    check_owner()
                    watch(BatchDone(done, total))

                for result in training.epochs(on_batch):
                    if isinstance(training, Training):
                        state = {"training": training.state(), "conditions": conditions}
                        checkpoints.save(result.epoch, state)
                    record.epoch(result)
                    log.info(epoch_line(name, result, planned))
                    watch(EpochDone(result, len(corpus.train.tokens) / result.training_seconds))
                    if result.epoch == 1:
                        ledger.hold(claim.run_id)

                logits = predict(model, corpus.test, config.protocol)
                metrics = evaluate(logits, corpus.test, corpus.classes, config.protocol)
                outcome = "diverged" if training.history[-1].diverged else "finished"
                said = name, outcome, metrics["test_accuracy"], claim.run_id
                log.info("%s  %s, test accuracy %.4f, run %s", *said)
                figures = {
                    **metrics,
                    **training_figures(training.history, corpus),
                    "parameter_count": sum(each.numel() for each in model.state_dict().values()),
                    "peak_memory_bytes": peak_memory_bytes(device),
                }
                wanted = lacking(config, figures, name)
                figures |= evaluate_further(
                    wanted, model, corpus, config, folder / ARTIFACTS, name, on_batch
                )
            write_artifacts(folder, config, corpus, model.state_dict(), probabilities(logits))
            ledger.hold(claim.run_id)
            record.finish(figures, outcome)
        watch(Ended(claim.run_id, outcome, metrics["test_accuracy"]))
    except Withdrawn as reason:
        if isinstance(reason, Duplicate):
            shutil.rmtree(folder, ignore_errors=True)
        log.info("%s  is left to another process: %s", name, reason)
        run(config, defaults, concurrent_jobs, watch, patient)


def begun(
    model: nn.Module | Baseline, corpus: EncodedCorpus, config: Config, device: torch.device
) -> Training | Fitting:
    """A network with its optimizer, or a baseline, before the first epoch."""
    if isinstance(model, Baseline):
        return Fitting(model, corpus, config.protocol)
    model.to(device)
    leave_compiler_out()
    optimizer = build(config.optimizer)(model.parameters())
    return Training(model, optimizer, corpus, config.protocol, config.seed)


def resume(
    training: Training, checkpoints: Checkpoints, conditions: dict[str, object], name: str
) -> None:
    """Go on from the newest sound checkpoint, if there is one."""
    state = checkpoints.load()
    if state is None:
        return
    training.load(state["training"])
    log.info("%s  goes on after epoch %d", name, len(training.history))
    for condition, before in state["conditions"].items():
        if conditions[condition] != before:
            log.warning(
                "%s  began with %s=%s and goes on with %s: losses may differ in their last digits",
                *(name, condition, before, conditions[condition]),
            )


def training_figures(results: list[EpochResult], corpus: EncodedCorpus) -> dict[str, float]:
    """`tokens_per_second` counts the training articles' own tokens, no padding, over the time
    without validation; `best_epoch` has the lowest validation loss."""
    losses = [result.val_loss for result in results]
    training_seconds = sum(result.training_seconds for result in results)
    return {
        "best_epoch": losses.index(lowest(losses)) + 1,
        "train_seconds": sum(result.seconds for result in results),
        "tokens_per_second": len(corpus.train.tokens) * len(results) / training_seconds,
    }


def lowest(losses: list[float]) -> float:
    """The smallest of them, or the first if none is a number."""
    return min((loss for loss in losses if not math.isnan(loss)), default=losses[0])

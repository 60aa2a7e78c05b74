"""One run: load, encode, build, train, evaluate, record."""

import logging
import math
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn

from rnn_bench.config.options import build
from rnn_bench.config.schemas import Config
from rnn_bench.data.encoding import EncodedCorpus, encoded_corpus
from rnn_bench.evaluation.metrics import evaluate, probabilities
from rnn_bench.models.baselines import Baseline, is_baseline
from rnn_bench.tracking.artifacts import run_log, write_artifacts
from rnn_bench.tracking.keys import run_key, run_name
from rnn_bench.tracking.record import answer, recorded
from rnn_bench.tracking.store import open_store
from rnn_bench.training import interruption
from rnn_bench.training.device import (
    device_name,
    find_device,
    kernel,
    peak_memory_bytes,
    reset_peak_memory,
    use_threads,
)
from rnn_bench.training.epochs import EpochResult, OnBatch, fit, train
from rnn_bench.training.progress import BatchDone, Ended, EpochDone, Started, Watch, epoch_line
from rnn_bench.training.reading import predict

log = logging.getLogger(__name__)


def run(config: Config, defaults: Config, concurrent_jobs: int | None, watch: Watch) -> None:
    """Train and evaluate what a config asks for, and record it; or find the run that already
    answers it.

    `defaults` are the config's options with no key changed; `concurrent_jobs` is how many runs
    share the machine, if known; `watch` is told what happens.

    Raises:
        UsageError: data, device or store are not as the config says.
    """
    device = find_device(config.device)
    client, experiment_id = open_store(config.tracking)
    name = run_name(config, defaults)
    corpus = encoded_corpus(config)
    earlier = answer(client, experiment_id, run_key(config, corpus.content.fingerprint))
    if earlier is not None and not config.rerun:
        if f"sweep.{config.sweep_id}" not in earlier.data.tags:
            client.set_tag(earlier.info.run_id, f"sweep.{config.sweep_id}", "reused")
        log.info("%s  reused: run %s", name, earlier.info.run_id)
        watch(Ended(earlier.info.run_id, "reused", earlier.data.metrics["test_accuracy"]))
        return

    with recorded(client, experiment_id, name, config, corpus) as record:
        log_path = Path(config.output_dir) / "runs" / record.run_id / "log.txt"
        planned = 1 if is_baseline(config.model) else config.protocol.epochs
        watch(Started(record.run_id, name, planned))
        with run_log(log_path):
            use_threads(config.threads)
            torch.manual_seed(config.seed)
            model = build(
                config.model,
                vocabulary_size=len(corpus.vocabulary),
                classes=len(corpus.classes),
                readout=config.protocol.readout,
            )
            if isinstance(model, Baseline):
                device = torch.device("cpu")
            record.tags(
                {
                    "device": device_name(device),
                    "threads": torch.get_num_threads(),
                    "kernel": kernel(model, device),
                    "concurrent_jobs": concurrent_jobs,
                }
            )
            reset_peak_memory(device)
            corpus = corpus.to(device)
            results = []

            def on_batch(done: int, total: int) -> None:
                interruption.check()
                watch(BatchDone(done, total))

            for result in epochs(model, corpus, config, device, on_batch):
                results.append(result)
                record.metrics(
                    {
                        "train_loss": result.train_loss,
                        "val_loss": result.val_loss,
                        "val_accuracy": result.val_accuracy,
                        "epoch_seconds": result.seconds,
                    },
                    step=result.epoch,
                )
                log.info(epoch_line(name, result, planned))
                watch(EpochDone(result, len(corpus.train.tokens) / result.training_seconds))

            logits = predict(model, corpus.test, config.protocol)
            metrics = evaluate(logits, corpus.test, config.protocol)
            record.metrics(
                {
                    **metrics.recorded(),
                    **training_figures(results, corpus),
                    "parameter_count": sum(each.numel() for each in model.state_dict().values()),
                    "peak_memory_bytes": peak_memory_bytes(device),
                }
            )
            outcome = "diverged" if results[-1].diverged else "finished"
            log.info("%s  %s, test accuracy %.4f", name, outcome, metrics.test_accuracy)
        with tempfile.TemporaryDirectory() as folder:
            write_artifacts(Path(folder), config, corpus, model.state_dict(), probabilities(logits))
            shutil.copy(log_path, folder)
            record.artifacts(Path(folder))
        record.tags({"outcome": outcome})
    watch(Ended(record.run_id, outcome, metrics.test_accuracy))


def epochs(
    model: nn.Module | Baseline,
    corpus: EncodedCorpus,
    config: Config,
    device: torch.device,
    on_batch: OnBatch,
) -> Iterator[EpochResult]:
    """Train a network epoch by epoch, or fit a baseline in one."""
    if isinstance(model, Baseline):
        return fit(model, corpus, config.protocol)
    model.to(device)
    optimizer = build(config.optimizer)(model.parameters())
    return train(model, optimizer, corpus, config.protocol, config.seed, on_batch)


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

"""Write a sweep of invented runs into an MLflow store, through the product's recording: rows,
parameters, metrics of 15 epochs, artifacts and the predictions for a thousand articles.

    python -m benchmarks.recorded RUNS STORE
"""

import logging
import sys
from dataclasses import replace
from pathlib import Path

import torch

from rnn_bench.config.composition import Composer
from rnn_bench.config.schema import Config
from rnn_bench.data.encoding import EncodedCorpus, encoded_corpus
from rnn_bench.tracking.artifacts import write_artifacts
from rnn_bench.tracking.rows import Record, new_row, now_ms, run_record
from rnn_bench.tracking.run_key import run_name
from rnn_bench.tracking.store import open_store
from rnn_bench.tracking.sweeps import note_sweep
from rnn_bench.training.epochs import EpochResult

CELLS, EPOCHS = ("rnn", "lstm", "gru"), 15
ACCURACIES = {"rnn": 0.86, "lstm": 0.95, "gru": 0.96}


def main() -> None:
    runs, store = int(sys.argv[1]), sys.argv[2]
    logging.disable()
    folder = Path(store.removeprefix("sqlite:///")).parent
    composer, jobs = Composer(), []
    for cell in CELLS:
        overrides = [f"model={cell}", "dataset.articles=5000", "sweep_id=recorded"]
        overrides += [f"tracking.uri={store}", f"output_dir={folder}/outputs"]
        jobs.append(composer.job(composer.compose(overrides)))
    corpus = encoded_corpus(jobs[0].config)
    client, experiment_id = open_store(jobs[0].config.tracking)
    note_sweep(client, experiment_id, "recorded", ["-m"], runs)
    for number in range(runs):
        job = jobs[number % len(jobs)]
        config = replace(job.config, seed=number // len(jobs))
        name = run_name(config, job.defaults)
        run_id = new_row(client, experiment_id, name, config, corpus)
        run_folder = Path(config.output_dir, "runs", run_id)
        with run_record(client, run_id, "recorded", run_folder) as record:
            write_run(record, config, corpus, run_folder)


def write_run(record: Record, config: Config, corpus: EncodedCorpus, folder: Path) -> None:
    """Record an invented run of 15 epochs."""
    generator = torch.Generator().manual_seed(config.seed)
    share = ACCURACIES[config.model.cell] + 0.02 * torch.rand((), generator=generator).item()
    record.add_tags({"device": "cpu", "threads": 1, "kernel": "torch-native", "concurrent_jobs": 2})
    for epoch in range(1, EPOCHS + 1):
        loss, seconds = 0.1 + 0.6 / epoch, 2.0
        result = EpochResult(epoch, loss, loss + 0.1, share, seconds, 0.9 * seconds, now_ms())
        record.add_epoch(result)
    labels = corpus.test.labels
    right = torch.rand(len(labels), generator=generator) < share
    sure = 0.5 + 0.5 * torch.rand(len(labels), generator=generator)
    probabilities = torch.stack([1 - sure, sure], 1)
    predicted = torch.where(right, labels, 1 - labels)
    probabilities[predicted == 0] = probabilities[predicted == 0].flip(1)
    (folder / "log.txt").touch()
    write_artifacts(folder, config, corpus, {"output.bias": torch.zeros(2)}, probabilities)
    accuracy = right.double().mean().item()
    figures = {"test_accuracy": accuracy, "test_macro_f1": accuracy, "test_loss": 0.2}
    figures |= {"best_epoch": EPOCHS, "train_seconds": 2.0 * EPOCHS, "tokens_per_second": 1e5}
    figures |= {"parameter_count": 1e5, "peak_memory_bytes": 5e8}
    tags = {"trained_epochs": EPOCHS, "learned_epoch": 1, "training_seconds": 0.9 * 2.0 * EPOCHS}
    record.finish(figures, tags, "finished")


if __name__ == "__main__":
    main()

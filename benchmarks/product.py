"""rnn_bench as a contender: its own command in this process, with a clock beside it.

The first step's time comes from a hook that torch calls after an optimizer's step, the rest from
the run's row in MLflow, read when the command has ended.
"""

import argparse
import json
import sys
from pathlib import Path

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from benchmarks.answers import Answer, peak_memory_bytes
from benchmarks.sampling import Sampler
from benchmarks.tracing import trace_kernels, trace_step
from rnn_bench.__main__ import main as rnn_bench
from rnn_bench.config.composition import Composer
from rnn_bench.data.encoding import encoded_corpus
from rnn_bench.tracking.store import open_store


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--answer", type=Path, required=True)
    parser.add_argument("--stages", type=Path, help="JSON file: seconds of each stage of the run")
    parser.add_argument("--kernels", type=Path, help="JSON file: the GPU's kernels in an epoch")
    parser.add_argument("--step", type=Path, help="JSON file: the pieces of a step")
    parser.add_argument("overrides", nargs="+")
    args = parser.parse_args()
    answer = Answer(0)

    def stepped(*step: object) -> None:
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()
        answer.stepped()
        hook.remove()

    hook = register_optimizer_step_post_hook(stepped)
    sampler = Sampler() if args.stages else None
    sys.argv = ["rnn_bench", *args.overrides]
    if args.kernels:
        trace_kernels(args.kernels)
    if args.step:
        trace_step(args.step)
    status = rnn_bench()
    if sampler:
        args.stages.write_text(json.dumps(sampler.ended()))
    if status:
        sys.exit(status)
    fill(answer, args.overrides)
    peak = peak_memory_bytes()
    if torch.cuda.is_initialized():
        peak = torch.cuda.max_memory_allocated()
    answer.write(args.answer, peak)


def fill(answer: Answer, overrides: list[str]) -> None:
    """Fill in the answer from the run's record."""
    composer = Composer()
    config = composer.job(composer.compose([*overrides, "sweep_id=none"])).config
    client, experiment_id = open_store(config.tracking)
    (run,) = client.search_runs([experiment_id], order_by=["start_time DESC"], max_results=1)
    answer.threads = int(run.data.tags["threads"])
    answer.kernel = run.data.tags["kernel"]
    answer.tokens = len(encoded_corpus(config).train.tokens)
    history = [
        client.get_metric_history(run.info.run_id, name)
        for name in ("epoch_seconds", "val_accuracy")
    ]
    for seconds, accuracy in zip(*history, strict=True):
        ended = seconds.timestamp / 1000
        training = answer.tokens / run.data.metrics["tokens_per_second"]
        epoch = {"began": ended - seconds.value, "ended": ended, "training_seconds": training}
        answer.epochs.append({**epoch, "val_accuracy": accuracy.value})


if __name__ == "__main__":
    main()

"""Measure the tokens a second of whole training steps on full rows, by kernel and threads.

A step is the product's own (`Training`): batch, embedding, recurrence, loss, backward, clipping and
Adam, of 32 articles that all have the full length, with a vocabulary of 30,000. Each number of
threads has a process of its own; in it the kernels take turns, and the first turn of each is not
counted.
"""

import argparse
import json
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks.articles import BATCH_SIZE, VOCABULARY_SIZE
from benchmarks.drawing import bars
from benchmarks.findings import Findings, Table, number
from benchmarks.workplace import Workplace
from rnn_bench.config.composition import Composer
from rnn_bench.data.cache import Content
from rnn_bench.data.encoding import EncodedCorpus, Split
from rnn_bench.models.initial import initial_model
from rnn_bench.models.kernels.choice import fused_kernel
from rnn_bench.training.device import find_device, use_threads
from rnn_bench.training.device import kernel as kernel_of
from rnn_bench.training.start import start_training

KERNELS = ("auto", "torch")
TURNS = 3  # of each kernel, for each of the settings' repeats


def measure(place: Workplace) -> Findings:
    settings, samples = place.settings, []
    for threads in sorted({1, place.threads}) if settings.device == "cpu" else [place.threads]:
        args = [f"--threads={threads}", f"--length={settings.length}", f"--steps={settings.steps}"]
        args += [f"--turns={TURNS * settings.repeats}", f"--device={settings.device}"]
        samples += place.answer("benchmarks.steps", *args, "--cells", *settings.cells)["samples"]
    rows = [
        [
            each["cell"],
            str(each["threads"]),
            each["kernel_option"],
            each["kernel"],
            number(median(each["tokens_per_second"]), 0),
            str(len(each["tokens_per_second"])),
        ]
        for each in samples
    ]
    counts = dict.fromkeys(each["threads"] for each in samples)
    return Findings(
        "Steps on full rows",
        [
            f"Whole steps on full rows of {settings.length} with {count} threads, tokens a second: "
            + ", ".join(
                f"{each['cell']} {median(each['tokens_per_second']):,.0f}"
                for each in samples
                if each["threads"] == count and each["kernel_option"] == KERNELS[0]
            )
            + "."
            for count in counts
        ],
        [
            Table(
                "steps",
                f"Whole training steps of {BATCH_SIZE} x {settings.length} tokens, medians",
                ["cell", "threads", "model.kernel", "kernel", "tokens/s", "n"],
                rows,
                words=4,
            )
        ],
        [
            bars(
                "steps",
                f"Whole training steps on full rows of {settings.length}",
                "thousand tokens a second",
                {
                    f"model.kernel={kernel_option}": {
                        f"{each['cell']}, {each['threads']} thr.": median(each["tokens_per_second"])
                        / 1000
                        for each in samples
                        if each["kernel_option"] == kernel_option
                    }
                    for kernel_option in KERNELS
                },
            )
        ],
        samples,
    )


def full_rows(steps: int, length: int) -> EncodedCorpus:
    """Return a corpus of that many batches of random words; validation is as short as can be."""
    generator = torch.Generator().manual_seed(0)

    def split(count: int, words: int) -> Split:
        return Split(
            torch.randint(1, VOCABULARY_SIZE, (count * words,), generator=generator).int(),
            torch.arange(0, count * words + 1, words),
            torch.randint(0, 2, (count,), generator=generator),
        )

    words = [str(number) for number in range(VOCABULARY_SIZE)]
    splits = split(BATCH_SIZE * steps, length), split(2, 1), split(2, 1)
    return EncodedCorpus("full-rows", *splits, words, ("0", "1"), Content("", "other"))


def take_turns(cell: str, args: argparse.Namespace) -> list[dict[str, Any]]:
    """Train with each kernel for an epoch of the full rows, in turn."""
    corpus, device = full_rows(args.steps, args.length), find_device(args.device)
    composer, samples, turns = Composer(), [], []
    for kernel in KERNELS:
        lines = [f"model={cell}", "sweep_id=steps", f"protocol.epochs={args.turns + 1}"]
        lines += ["protocol.patience=null", f"model.kernel={kernel}"]
        config = composer.job(composer.compose(lines)).config
        model = initial_model(config, corpus, fused_kernel(config, device))
        training = start_training(model, corpus.to(device), config)
        turns.append(training.epochs(lambda done, total: None))
        about = {"cell": cell, "threads": args.threads, "kernel_option": kernel}
        samples.append({**about, "kernel": kernel_of(model, device), "tokens_per_second": []})
    for turn in range(args.turns + 1):
        for sample, epochs in zip(samples, turns, strict=True):
            result = next(epochs)
            if turn:
                tokens = len(corpus.train.tokens)
                sample["tokens_per_second"].append(tokens / result.training_seconds)
    return samples


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--answer", type=Path, required=True)
    parser.add_argument("--cells", nargs="+", required=True)
    parser.add_argument("--device", required=True)
    for name in ("threads", "length", "steps", "turns"):
        parser.add_argument(f"--{name}", type=int, required=True)
    args = parser.parse_args()
    use_threads(args.threads)
    samples = [sample for cell in args.cells for sample in take_turns(cell, args)]
    args.answer.write_text(json.dumps({"samples": samples}))


if __name__ == "__main__":
    main()

"""Measure the tokens a second of whole training steps on full rows, by readout and direction.

A step is the product's own (`Training`): batch, embedding, recurrence, loss, backward, clipping and
Adam, of 32 articles that all have the full length, with a vocabulary of 30,000. Beside it stands a
step of the naive loop with the same readout and directions: packed sequences for two directions, a
mask for the mean and maximum. Each number of threads has a process of its own; in it all readouts,
directions and contenders take turns, and the first turn of each is not counted. The product's
settings of malloc hold for the naive loop too.
"""

import argparse
import itertools
import json
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

from benchmarks import naive
from benchmarks.articles import BATCH_SIZE, LEARNING_RATE, SETTINGS, VOCABULARY_SIZE
from benchmarks.drawing import bars
from benchmarks.findings import Findings, Table, number
from benchmarks.machine import has_cuda_core
from benchmarks.workplace import Workplace
from rnn_bench.config.composition import Composer
from rnn_bench.data.cache import Content
from rnn_bench.data.encoding import EncodedCorpus, Split
from rnn_bench.models.initial import initial_model
from rnn_bench.models.kernels.choice import fused_kernel
from rnn_bench.training.device import find_device, use_threads
from rnn_bench.training.device import kernel as kernel_of
from rnn_bench.training.start import start_training

NAIVE = "naive loop"
# Values of model.kernel, and the naive loop. On a GPU auto is torch, with cuDNN.
CONTENDERS = {"cpu": ("auto", "torch", NAIVE), "cuda": ("auto", "fused", NAIVE)}
TURNS = 3  # of each contender, for each of the settings' repeats
WISHES = tuple(itertools.product((1, 2), ("last_token", "mean", "max")))  # directions, readout


def measure(place: Workplace) -> Findings:
    settings, samples = place.settings, []
    for threads in sorted({1, place.threads}) if settings.device == "cpu" else [place.threads]:
        args = [f"--threads={threads}", f"--length={settings.length}", f"--steps={settings.steps}"]
        args += [f"--turns={TURNS * settings.repeats}", f"--device={settings.device}"]
        samples += place.answer("benchmarks.steps", *args, "--cells", *settings.cells)["samples"]
    of_turns = {key(each): each["tokens_per_second"] for each in samples}
    speeds = {each: median(turns) for each, turns in of_turns.items()}

    def against(each: dict[str, Any], **other: Any) -> str:
        """Return the median ratio to another sample of the same turn."""
        pairs = zip(of_turns[key(each)], of_turns[key({**each, **other})], strict=True)
        return number(median(ours / theirs for ours, theirs in pairs), 2)

    rows = [
        [
            *(each["cell"], str(each["directions"]), each["readout"], str(each["threads"])),
            *(each["contender"], each["kernel"], number(speeds[key(each)], 0)),
            against(each, contender=NAIVE),
            against(each, readout="last_token"),
            str(len(each["tokens_per_second"])),
        ]
        for each in samples
    ]
    threads = max(each["threads"] for each in samples)
    contenders = contenders_of(settings.device)
    ours = [each for each in samples if each["contender"] == contenders[0]]
    return Findings(
        "Steps on full rows",
        [
            f"Whole steps on full rows of {settings.length} with {threads} threads, "
            f"{'two directions' if directions == 2 else 'one direction'}, {readout}, tokens a "
            "second (times the naive loop's): "
            + ", ".join(
                f"{each['cell']} {speeds[key(each)]:,.0f} ({against(each, contender=NAIVE)})"
                for each in ours
                if (each["threads"], each["directions"], each["readout"])
                == (threads, directions, readout)
            )
            + "."
            for directions, readout in WISHES
        ],
        [
            Table(
                "steps",
                f"Whole training steps of {BATCH_SIZE} x {settings.length} tokens, medians",
                [
                    *("cell", "directions", "readout", "threads", "model.kernel", "kernel"),
                    *("tokens/s", "times naive", "times last_token", "n"),
                ],
                rows,
                words=6,
            )
        ],
        [
            bars(
                "steps",
                f"Whole training steps on full rows of {settings.length}, {threads} threads",
                "thousand tokens a second",
                {
                    contender: {
                        f"{each['cell']}, {each['directions']} dir., {each['readout']}": speeds[
                            key(each)
                        ]
                        / 1000
                        for each in samples
                        if (each["contender"], each["threads"]) == (contender, threads)
                        and each["readout"] != "max"
                    }
                    for contender in contenders
                },
            )
        ],
        samples,
    )


def contenders_of(device: str) -> list[str]:
    """Return the contenders on a device, without the fused kernel where it cannot be compiled."""
    return [each for each in CONTENDERS[device] if each != "fused" or has_cuda_core()]


def key(sample: dict[str, Any]) -> tuple[Any, ...]:
    """Return what a sample's speed is compared by."""
    names = ("cell", "directions", "readout", "threads", "contender")
    return tuple(sample[name] for name in names)


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


def epoch_times(
    contender: str,
    cell: str,
    wish: tuple[int, str],
    corpus: EncodedCorpus,
    args: argparse.Namespace,
) -> tuple[str, Iterator[float]]:
    """Return the name of a contender's kernel, and the training seconds of one epoch after another
    of the full rows."""
    (directions, readout), device = wish, find_device(args.device)
    if contender == NAIVE:
        torch.manual_seed(0)
        sizes = VOCABULARY_SIZE, len(corpus.classes)
        model = naive.Classifier(cell, *sizes, readout, directions == 2).to(device)
        return "torch", naive_epochs(model, corpus, args)
    composer = Composer()
    lines = [f"model={cell}", "sweep_id=steps", f"protocol.epochs={args.turns + 1}"]
    lines += [*SETTINGS, f"protocol.readout={readout}", f"model.kernel={contender}"]
    lines += [f"model.bidirectional={directions == 2}"]
    config = composer.job(composer.compose(lines)).config
    network = initial_model(config, corpus, fused_kernel(config, device))
    training = start_training(network, corpus.to(device), config)
    epochs = training.epochs(lambda done, total: None)
    kernel = kernel_of(network, device, config.protocol.precision)
    return kernel, (result.training_seconds for result in epochs)


def naive_epochs(
    model: nn.Module, corpus: EncodedCorpus, args: argparse.Namespace
) -> Iterator[float]:
    train = corpus.train
    rows = list(zip(train.tokens.long().view(-1, args.length), train.labels, strict=True))
    loader: naive.Loader = DataLoader(rows, BATCH_SIZE, shuffle=True, collate_fn=naive.collate)  # type: ignore[arg-type]
    optimizer = torch.optim.Adam(model.parameters(), LEARNING_RATE, fused=False)
    while True:
        began = time.perf_counter()
        naive.train_epoch(model, optimizer, loader, args.device)
        yield time.perf_counter() - began


def take_turns(cell: str, args: argparse.Namespace) -> list[dict[str, Any]]:
    """Train for an epoch of the full rows with each readout, direction and contender, in turn."""
    corpus, samples, turns = full_rows(args.steps, args.length), [], []
    for wish, contender in itertools.product(WISHES, contenders_of(args.device)):
        kernel, seconds = epoch_times(contender, cell, wish, corpus, args)
        about = {"cell": cell, "directions": wish[0], "readout": wish[1], "threads": args.threads}
        samples.append({**about, "contender": contender, "kernel": kernel, "tokens_per_second": []})
        turns.append(seconds)
    for turn in range(args.turns + 1):
        for sample, seconds in zip(samples, turns, strict=True):
            taken = next(seconds)
            if turn:
                sample["tokens_per_second"].append(len(corpus.train.tokens) / taken)
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

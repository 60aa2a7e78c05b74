"""The JSON file that a contender writes about its run: times, accuracies and memory."""

import argparse
import json
import resource
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Answer:
    """A contender's account of its run. Times are seconds since 1970.

    Attributes:
        threads: of the processor that the contender uses.
        kernel: which code computes the recurrence, if known.
        first_step: when the first update of the weights was done.
        epochs: `began`, `ended` (after validation), `training_seconds` and `val_accuracy` of each.
        tokens: of the training articles, no padding; an epoch sees each once.
        compile_seconds: part of the training that is paid once, and not for each token.
    """

    threads: int
    kernel: str = ""
    first_step: float = 0.0
    epochs: list[dict[str, float]] = field(default_factory=list)
    tokens: int = 0
    compile_seconds: float = 0.0

    def stepped(self) -> None:
        """Note the time of the first update; called after each."""
        self.first_step = self.first_step or time.time()

    def epoch(self, began: float, trained: float, accuracy: float) -> None:
        """Add an epoch after its validation; `trained` is when the training before it ended."""
        epoch = {"began": began, "ended": time.time(), "training_seconds": trained - began}
        self.epochs.append({**epoch, "val_accuracy": accuracy})

    def write(self, path: Path, peak_memory: int) -> None:
        path.write_text(json.dumps({**asdict(self), "peak_memory_bytes": peak_memory}))


def contender_arguments() -> argparse.ArgumentParser:
    """Return a parser of the arguments that every contender gets."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--articles", type=Path, required=True, help="folder of the CSV files")
    parser.add_argument("--answer", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--cell", choices=["rnn", "lstm", "gru"], required=True)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--length", type=int, default=512, help="words of an article")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, help="by default the library's own choice")
    return parser


def peak_memory_bytes() -> int:
    """Return the largest resident memory of this process."""
    if sys.platform == "linux":  # getrusage's also counts what the process was before exec
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def figures(answer: dict[str, Any]) -> dict[str, float]:
    """Return the compared numbers of an answer with `started`, the time its process was started."""
    epochs = answer["epochs"]
    training = sum(epoch["training_seconds"] for epoch in epochs) - answer["compile_seconds"]
    seconds = sorted(epoch["ended"] - epoch["began"] for epoch in epochs)
    return {
        "first_step_seconds": answer["first_step"] - answer["started"],
        "epoch_seconds": seconds[len(seconds) // 2],
        "tokens_per_second": answer["tokens"] * len(epochs) / training,
        "peak_memory_bytes": answer["peak_memory_bytes"],
    }

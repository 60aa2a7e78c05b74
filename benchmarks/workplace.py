"""A folder with the articles, an MLflow store and a cache, in which contenders run as processes."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.articles import OVERRIDES, write_articles
from benchmarks.settings import Settings
from rnn_bench.training.device import cores

OUTPUT = "output.txt"
PROJECT = Path(__file__).parents[1]


class ContenderFailed(Exception):
    """A contender's process ended with an error."""


class Workplace:
    """Runs one process at a time; the time of each counts from before it is started.

    Once it is prepared, the store exists, and the articles are in the cache as a former run leaves
    them there.
    """

    corpus = "none"

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.folder, self.settings = folder, settings
        self.threads = settings.threads or cores()

    def prepare(self) -> None:
        """Write the articles, and make one run of rnn_bench, of one epoch."""
        self.corpus = write_articles(self.settings.corpus, self.settings.articles, self.folder)
        self.run("rnn_bench", *self.overrides("rnn", epochs=1))

    def overrides(
        self, cells: str, seeds: str = "0", epochs: int | None = None, train: str = "train.csv"
    ) -> list[str]:
        """Return the command line of rnn_bench for one run, or with commas for a sweep."""
        settings = self.settings
        return [
            f"model={cells}",
            f"seed={seeds}",
            *("dataset=table", f"dataset.name={self.corpus}", "dataset.cleaning=none"),
            *(f"dataset.train={train}", "dataset.test=test.csv"),
            *OVERRIDES,
            f"protocol.epochs={epochs or settings.epochs}",
            f"protocol.max_length={settings.length}",
            f"device={settings.device}",
            "rerun=true",
        ]

    def run(
        self, module: str, *arguments: object, environment: dict[str, str] | None = None
    ) -> float:
        """Run `python -m module`, and return its seconds.

        Raises:
            ContenderFailed: it ended with an error; its last lines say which.
        """
        given = {"RNN_BENCH_CACHE": str(self.folder / "cache"), **(environment or {})}
        inherited = {name: value for name, value in os.environ.items() if name[:7] != "MLFLOW_"}
        path = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")]))
        log = self.folder / OUTPUT
        began = time.perf_counter()
        with log.open("wb") as output:
            ended = subprocess.run(
                [sys.executable, "-m", module, *map(str, arguments)],
                cwd=self.folder,
                env={**inherited, "PYTHONPATH": path, **given},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        seconds = time.perf_counter() - began
        if ended.returncode:
            lines = [f"python -m {module} failed:", *self.printed()[-15:]]
            raise ContenderFailed("\n".join(lines))
        return seconds

    def printed(self) -> list[str]:
        """Return the lines that the last process wrote."""
        return (self.folder / OUTPUT).read_text(errors="replace").splitlines()

    def answer(self, module: str, *arguments: object, **more: Any) -> dict[str, Any]:
        """Run a contender, and return its answer, with its start time and its wall time."""
        path = self.folder / "answer.json"
        path.unlink(missing_ok=True)
        started = time.time()
        wall = self.run(module, "--answer", path, *arguments, **more)
        return {**json.loads(path.read_text()), "started": started, "wall_seconds": wall}

    def ours(self, *overrides: str, options: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
        """Run rnn_bench once, and return its answer."""
        threads = f"threads={self.threads}"
        return self.answer("benchmarks.product", *options, "--", *overrides, threads, **more)

    def theirs(self, module: str, cell: str, seed: int, *options: str) -> dict[str, Any]:
        """Run another contender once, and return its answer."""
        settings = self.settings
        return self.answer(
            module,
            *("--articles", self.folder, "--cell", cell, "--seed", seed),
            *("--epochs", settings.epochs, "--length", settings.length),
            *("--device", settings.device, *options),
        )

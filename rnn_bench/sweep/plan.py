"""Prints the plan of a sweep: its runs, their states and their expected times."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from operator import itemgetter
from statistics import median
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Run
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rnn_bench.config.composition import Job
from rnn_bench.config.model import Recurrent
from rnn_bench.config.options import name_of
from rnn_bench.data.encoding import EncodedCorpus
from rnn_bench.models.baselines.baseline import is_baseline
from rnn_bench.models.recurrent import RecurrentClassifier
from rnn_bench.sweep.local.devices import Device
from rnn_bench.tracking import schema
from rnn_bench.tracking.claims import RunClaims
from rnn_bench.tracking.run_key import SweepKeys
from rnn_bench.tracking.sweeps import all_runs, tag_filter
from rnn_bench.training.start import planned_epochs

# Of the cells, forward, while they are trained on one thread of a CPU with AVX2 or AVX-512.
MULTIPLY_ADDS_PER_SECOND = 1.3e10
# Of the models without cells, until the store holds a run of the model.
TOKENS_PER_SECOND = 2e6
# The newest recorded runs of a model that are looked at, and those of the nearest size that count.
LOOKED_AT, COUNTED = 50, 8
MOST_LINES = 200

NewestRuns = Callable[[str], Sequence[Run]]  # by a model's name


def print_plan(
    jobs: Sequence[Job],
    corpora: Sequence[EncodedCorpus],
    client: MlflowClient,
    experiment_id: str,
    devices: Sequence[Device],
    console: Console,
) -> None:
    """Print each run's state (new, running elsewhere, to resume or reused) and expected time, and
    the expected time of all, with as many at once as `devices` train. Of more than `MOST_LINES`
    runs, those that differ in their seeds alone share a line."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("run", "state", "expected time"):
        table.add_column(heading)
    expected: list[float] = []
    keys = SweepKeys()
    recorded = {row.data.tags.get(schema.RUN_KEY) for row in all_runs(client, experiment_id)}
    newest = newest_runs(client, experiment_id)
    seconds_of: dict[tuple[int, ...], float] = {}  # of runs that differ in their seed alone
    lines: dict[tuple[Any, ...], list[str]] = {}  # names of runs that share a line
    for job, corpus in zip(jobs, corpora, strict=True):
        config = job.config
        name = keys.run_name(config, job.defaults)
        state = "new"
        if keys.run_key(config, corpus.content.fingerprint) in recorded:
            state = RunClaims(client, experiment_id, name, config, corpus).state()
        options = tuple(map(id, (config.model, config.protocol, corpus)))
        if options not in seconds_of:
            seconds_of[options] = expected_seconds(job, corpus, newest)
        seconds = 0.0 if state == schema.REUSED else seconds_of[options]
        expected.append(seconds)
        options += tuple(map(id, (config.dataset, config.optimizer)))
        own = len(expected) if len(jobs) <= MOST_LINES else 0
        lines.setdefault((*options, state, seconds, own), []).append(name)
    for (*_, state, seconds, _), names in lines.items():
        named = names[0] if len(names) == 1 else f"{names[0]} ... {names[-1]}, {len(names):,} runs"
        time = "" if state == schema.REUSED else f"about {duration(seconds)}"
        table.add_row(escape(named), state, f"{time}{' each' * (len(names) > 1 and bool(time))}")
    console.print(table)
    slots, pace = pace_of(devices)
    total = duration(max(sum(expected) / slots, *expected))
    runs = f"1 run, about {total}" if len(jobs) == 1 else f"{len(jobs)} runs, {pace} {total}"
    console.print(f"{runs}; one that stops early takes less.")


def pace_of(devices: Sequence[Device]) -> tuple[int, str]:
    """Return how many runs are trained at once, and the same in words that a time follows."""
    slots = max(1, sum(device.slots for device in devices))
    if slots == 1:
        return 1, "one after another, about"
    if any(device.search for device in devices):
        return slots, f"{slots} at once if that pays, about"
    return slots, f"{slots} at once, about"


def newest_runs(client: MlflowClient, experiment_id: str) -> NewestRuns:
    """Return a function that looks the newest runs with a speed up, once for each model."""

    @cache
    def look_up(model: str) -> list[Run]:
        which = f"{tag_filter(schema.MODEL, model)} AND metrics.{schema.TOKENS_PER_SECOND} > 0"
        return [
            *client.search_runs(
                [experiment_id],
                which,
                max_results=LOOKED_AT,
                order_by=["attributes.start_time DESC"],
            )
        ]

    return look_up


def expected_seconds(job: Job, corpus: EncodedCorpus, newest: NewestRuns) -> float:
    """Estimate a run's training time in seconds: tokens x epochs x the model's multiply-adds for a
    token, over the middle one of the speeds of a usual CPU and of recorded runs of a model of this
    name, those of the nearest size first, so that a run on a busy machine changes little. A usual
    CPU says nothing of models without cells, nor of a cell of the user's own, once there is a
    record. A run that stops early takes less. `newest` are `newest_runs`."""
    model = job.config.model
    recorded = newest(name_of(model))
    cost = multiply_adds(model, {}) if isinstance(model, Recurrent) else 1
    usual = MULTIPLY_ADDS_PER_SECOND if isinstance(model, Recurrent) else TOKENS_PER_SECOND
    distances_and_speeds = []
    for run in recorded:
        theirs = multiply_adds(model, run.data.params) if isinstance(model, Recurrent) else 1
        speed = run.data.metrics[schema.TOKENS_PER_SECOND] * theirs
        distances_and_speeds.append((abs(math.log(theirs / cost)), speed))
    nearest = sorted(distances_and_speeds, key=itemgetter(0))[:COUNTED]
    speeds = [speed for _, speed in nearest]
    if not speeds or (isinstance(model, Recurrent) and "." not in model.cell):
        speeds.append(usual)
    # Of two speeds, the middle is their geometric mean.
    speed = math.exp(median(map(math.log, speeds)))
    epochs, limit = planned_epochs(job.config, corpus), job.config.protocol.train_seconds
    seconds = len(corpus.train.tokens) * epochs * cost / speed
    return seconds if limit is None or is_baseline(model) else min(seconds, limit)


def multiply_adds(model: Recurrent, recorded: Mapping[str, str]) -> int:
    """Count a model's multiply-adds for a token, forward. Sizes that are among the parameters of a
    `recorded` run replace the model's own, except damaged ones."""
    sizes = {key: getattr(model, key) for key in ("embedding_dim", "hidden_size", "num_layers")}
    for key in sizes:
        if re.fullmatch("[1-9][0-9]*", recorded.get(f"model.{key}", "")):
            sizes[key] = int(recorded[f"model.{key}"])
    bidirectional = recorded.get("model.bidirectional", str(model.bidirectional)) == "True"
    return RecurrentClassifier.multiply_adds(model.cell, bidirectional=bidirectional, **sizes)


def duration(seconds: float) -> str:
    """Return a time in seconds, minutes or hours, in words."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"

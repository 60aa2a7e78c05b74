"""Prints what a sweep would do: its runs, their states, and how long they are expected to take."""

from collections.abc import Mapping, Sequence

from mlflow import MlflowClient
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rnn_bench.config.composition import Job
from rnn_bench.config.model import Recurrent
from rnn_bench.config.options import name_of
from rnn_bench.data.encoding import EncodedCorpus
from rnn_bench.models.baselines.baseline import is_baseline
from rnn_bench.models.recurrent import RecurrentClassifier
from rnn_bench.tracking import schema
from rnn_bench.tracking.claims import RunClaims
from rnn_bench.tracking.run_key import run_name
from rnn_bench.tracking.sweeps import tag_filter

# Of the cells, forward, while they are trained on one thread of a CPU with AVX-512.
MULTIPLY_ADDS_PER_SECOND = 1.3e10
# Of the models without cells, until the store holds a run of the model.
TOKENS_PER_SECOND = 2e6


def print_plan(
    jobs: Sequence[Job],
    corpora: Sequence[EncodedCorpus],
    client: MlflowClient,
    experiment_id: str,
    slots: int,
    console: Console,
) -> None:
    """Print a row for each run: whether it is new, running elsewhere, to resume or reused, and its
    expected time; below them the expected time of all, with `slots` runs at once."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("run", "state", "expected time"):
        table.add_column(heading)
    expected = []
    for job, corpus in zip(jobs, corpora, strict=True):
        name = run_name(job.config, job.defaults)
        state = RunClaims(client, experiment_id, name, job.config, corpus).state()
        reused = state == "reused"
        seconds = 0.0 if reused else expected_seconds(job, corpus, client, experiment_id)
        expected.append(seconds)
        table.add_row(escape(name), state, "" if reused else f"about {duration(seconds)}")
    console.print(table)
    pace = f"{slots} at once" if slots > 1 else "one after another"
    total = max(sum(expected) / slots, *expected)
    console.print(
        f"{len(jobs)} runs, {pace}, about {duration(total)}; one that stops early takes less."
    )


def expected_seconds(
    job: Job, corpus: EncodedCorpus, client: MlflowClient, experiment_id: str
) -> float:
    """Estimate a run's training time: tokens x epochs x the model's multiply-adds for a token, over
    the speed of the store's newest run of a model of that name, or of a usual CPU. A run that
    stops early takes less."""
    model = job.config.model
    recorded = client.search_runs(
        [experiment_id],
        f"{tag_filter(schema.MODEL, name_of(model))} AND metrics.{schema.TOKENS_PER_SECOND} > 0",
        max_results=1,
        order_by=["attributes.start_time DESC"],
    )
    cost = multiply_adds(model, {}) if isinstance(model, Recurrent) else 1
    speed = MULTIPLY_ADDS_PER_SECOND if isinstance(model, Recurrent) else TOKENS_PER_SECOND
    for run in recorded:
        speed = run.data.metrics[schema.TOKENS_PER_SECOND]
        if isinstance(model, Recurrent):
            speed *= multiply_adds(model, run.data.params)
    epochs = 1 if is_baseline(model) else job.config.protocol.epochs
    return len(corpus.train.tokens) * epochs * cost / speed


def multiply_adds(model: Recurrent, recorded: Mapping[str, str]) -> int:
    """Count a model's multiply-adds for a token, forward, with the sizes of a `recorded` run's
    parameters where it has them."""
    embedding_dim, hidden_size, num_layers = (
        int(recorded.get(f"model.{key}", getattr(model, key)))
        for key in ("embedding_dim", "hidden_size", "num_layers")
    )
    bidirectional = recorded.get("model.bidirectional", str(model.bidirectional)) == "True"
    return RecurrentClassifier.multiply_adds(
        model.cell, embedding_dim, hidden_size, num_layers, bidirectional
    )


def duration(seconds: float) -> str:
    """Write a time in seconds, minutes or hours."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"

"""What a sweep would do: its runs, which of them are answered already, and how long it takes."""

from collections.abc import Sequence

from mlflow import MlflowClient
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rnn_bench.config.composition import Job
from rnn_bench.config.options import name_of
from rnn_bench.data.encoding import EncodedCorpus
from rnn_bench.models.baselines.baseline import is_baseline
from rnn_bench.tracking.claims import RunClaims
from rnn_bench.tracking.run_key import run_name

# Tokens a second, one thread of a CPU with AVX-512; until this store holds a run of the model.
TOKENS_PER_SECOND = {"rnn": 400_000, "lstm": 120_000, "gru": 150_000}
FAST = 2_000_000


def print_plan(
    jobs: Sequence[Job],
    corpora: Sequence[EncodedCorpus],
    client: MlflowClient,
    experiment_id: str,
    slots: int,
    console: Console,
) -> None:
    """A row for each run: whether it is new, running elsewhere, to resume or reused, and how long
    all of it is expected to take with so many runs at once."""
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
        table.add_row(
            escape(name),
            state,
            "" if reused else f"about {duration(seconds)}",
        )
    console.print(table)
    pace = f"{slots} at once" if slots > 1 else "one after another"
    total = max(sum(expected) / slots, *expected)
    console.print(
        f"{len(jobs)} runs, {pace}, about {duration(total)}; one that stops early takes less."
    )


def expected_seconds(
    job: Job, corpus: EncodedCorpus, client: MlflowClient, experiment_id: str
) -> float:
    """Training tokens x epochs over the speed of the store's newest run of that model, or of a
    usual CPU. Stopping early makes it less."""
    model = name_of(job.config.model)
    recorded = client.search_runs(
        [experiment_id],
        f"tags.model = '{model}' AND metrics.tokens_per_second > 0",
        max_results=1,
        order_by=["attributes.start_time DESC"],
    )
    cell = getattr(job.config.model, "cell", "")
    speed = (
        recorded[0].data.metrics["tokens_per_second"]
        if recorded
        else TOKENS_PER_SECOND.get(cell, FAST)
    )
    epochs = 1 if is_baseline(job.config.model) else job.config.protocol.epochs
    return len(corpus.train.tokens) * epochs / speed


def duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"

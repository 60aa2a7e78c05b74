"""The section on transfer: models tested on another corpus than they were trained on."""

from collections.abc import Sequence

import numpy as np

from rnn_bench.report.analysis import Results
from rnn_bench.report.configurations import Configuration
from rnn_bench.report.contents import Section, Table
from rnn_bench.report.formatting import format_estimate
from rnn_bench.report.statistics import Estimate, mean_over_seeds, within_shares
from rnn_bench.tracking import schema
from rnn_bench.tracking.recorded_run import RecordedRun


def transfer_section(results: Results) -> Section | None:
    shown = [each for each in results.compared if transfer_corpora(each.completed)]
    if not shown:
        return None
    own = {dataset_of(each) for each in shown}
    others = {corpus for each in shown for corpus in transfer_corpora(each.completed)}
    tests = list(dict.fromkeys([*sorted(own), *sorted(others)]))
    sizes = {dataset_of(each): each.completed[0].split_sizes for each in results.compared}
    accuracies, unknown = [], []
    for each in shown:
        estimates = {corpus: accuracy_on(corpus, each) for corpus in tests}
        estimates[dataset_of(each)] = results.accuracies[each.key]
        shares = {corpus: unknown_share_on(corpus, each) for corpus in tests}
        start, seeds = (each.corpus, each.label), str(len(each.completed))
        accuracies.append((*start, *(_written(estimates[test]) for test in tests), seeds))
        unknown.append((*start, *(_percent(shares[test]) for test in tests), seeds))
    counted = [
        f"{test} ({sizes[test]['test']:,} articles)" if sizes.get(test) else test for test in tests
    ]
    accuracy_table = Table(
        "transfer",
        "Test accuracy by training and test corpus",
        ("trained on", "model", *(f"tested on {test}" for test in counted), "seeds"),
        accuracies,
        words=2,
        note="Means over seeds. Brackets: 95 % confidence interval, Student's t over seeds, or for "
        "one model Wilson over the test articles of its own corpus. Training never sees the other "
        "corpus.",
    )
    unknown_table = Table(
        "unknown",
        "Share of unknown tokens",
        ("trained on", "model", *(f"tested on {test}" for test in tests), "seeds"),
        unknown,
        words=2,
        note="The share of the other corpus's tokens that are not in the model's vocabulary.",
    )
    tables = [accuracy_table, unknown_table]
    return Section("transfer", "Transfer to another corpus", tables=tables)


def dataset_of(each: Configuration) -> str:
    return each.completed[0].tags[schema.DATASET]


def transfer_corpora(runs: Sequence[RecordedRun]) -> set[str]:
    """Return the other corpora that any of the runs was tested on."""
    metrics = {name for run in runs for name in run.metrics if name.startswith(schema.TRANSFER)}
    return {name.removeprefix(schema.TRANSFER).partition("/")[0] for name in metrics}


def accuracy_on(corpus: str, each: Configuration) -> Estimate | None:
    values = _transfer_values(corpus, "accuracy", each)
    return within_shares(mean_over_seeds(values)) if values else None


def unknown_share_on(corpus: str, each: Configuration) -> float | None:
    values = _transfer_values(corpus, "unknown_share", each)
    return float(np.mean(values)) if values else None


def _transfer_values(corpus: str, name: str, each: Configuration) -> list[float]:
    metric = f"{schema.TRANSFER}{corpus}/{name}"
    return [run.metrics[metric] for run in each.completed if metric in run.metrics]


def _written(estimate: Estimate | None) -> str:
    return format_estimate(estimate) if estimate else ""


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"

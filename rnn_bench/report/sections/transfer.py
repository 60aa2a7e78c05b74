"""The section on transfer: models tested on another corpus than they were trained on."""

from statistics import mean

from rnn_bench.report.analysis import Results
from rnn_bench.report.configurations import Configuration
from rnn_bench.report.contents import Section, Table
from rnn_bench.report.formatting import format_estimate
from rnn_bench.report.statistics import mean_over_seeds
from rnn_bench.tracking import schema


def transfer_section(results: Results) -> Section | None:
    shown = [each for each in results.ordered if transfer_corpora(each)]
    if not shown:
        return None
    own = {dataset_of(each) for each in shown}
    others = {corpus for each in shown for corpus in transfer_corpora(each)}
    tests = list(dict.fromkeys([*sorted(own), *sorted(others)]))
    sizes = {dataset_of(each): each.completed[0].split_sizes for each in results.compared}
    counted = [
        f"{test} ({sizes[test]['test']:,} articles)" if sizes.get(test) else test for test in tests
    ]
    accuracies, unknown_shares = [], []
    for each in shown:
        start, seeds = (each.corpus, each.label), each.seeds
        cells = [write_accuracy(results, each, test) for test in tests]
        accuracies.append((*start, *cells, seeds))
        cells = [write_unknown_share(each, test) for test in tests]
        unknown_shares.append((*start, *cells, seeds))
    accuracy_table = Table(
        "transfer",
        "Test accuracy by training and test corpus",
        ("trained on", "model", *(f"tested on {test}" for test in counted), "seeds"),
        accuracies,
        words=2,
        note="Means over seeds. Brackets: 95 % interval, on the own corpus over seeds and test "
        "articles, on another one Student's t over seeds. Training never sees the other corpus.",
    )
    unknown_table = Table(
        "unknown",
        "Share of unknown tokens",
        ("trained on", "model", *(f"tested on {test}" for test in tests), "seeds"),
        unknown_shares,
        words=2,
        note="The share of the other corpus's tokens that are not in the model's vocabulary.",
    )
    tables = [accuracy_table, unknown_table]
    return Section("transfer", "Transfer to another corpus", tables=tables)


def dataset_of(each: Configuration) -> str:
    return each.completed[0].tags[schema.DATASET]


def transfer_corpora(each: Configuration) -> set[str]:
    """Return the other corpora that a configuration was tested on."""
    metrics = {name for run in each.completed for name in run.metrics}
    parts = [name.split("/") for name in metrics if name.startswith(schema.TRANSFER)]
    return {corpus for _, corpus, *_ in parts}


def write_accuracy(results: Results, each: Configuration, corpus: str) -> str:
    if corpus == dataset_of(each):
        return format_estimate(results.accuracies[each.key])
    values = transfer_values(each, corpus, "accuracy")
    return format_estimate(mean_over_seeds(values)) if values else ""


def write_unknown_share(each: Configuration, corpus: str) -> str:
    values = transfer_values(each, corpus, "unknown_share")
    return f"{mean(values):.1%}" if values else ""


def transfer_values(each: Configuration, corpus: str, metric: str) -> list[float]:
    """Return a metric on another corpus of the runs that were tested on it."""
    name = f"{schema.TRANSFER}{corpus}/{metric}"
    return [run.metrics[name] for run in each.completed if name in run.metrics]

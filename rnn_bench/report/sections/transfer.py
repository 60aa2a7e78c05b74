"""The section on transfer to another corpus."""

from rnn_bench.report.analysis import Results
from rnn_bench.report.contents import Section, Table
from rnn_bench.report.formatting import spanned


def transfer_section(results: Results) -> Section | None:
    """Train x test: a configuration's accuracy on its own corpus and on the others."""
    found = results.transfers()
    if not found:
        return None
    shown = [each for each in results.compared if each.key in found]
    own = {each.key: each.answered[0].tags["dataset"] for each in shown}
    read = {corpus for each in found.values() for corpus in each}
    tests = [*dict.fromkeys([*sorted(own.values()), *sorted(read)])]
    sizes = {
        each.answered[0].tags["dataset"]: each.answered[0].articles.get("test")
        for each in results.compared
    }
    rows, unknown = [], []
    for each in shown:
        start, seeds = (each.corpus, each.label), str(len(each.answered))
        estimates = {corpus: estimate for corpus, (estimate, _) in found[each.key].items()}
        estimates[own[each.key]] = results.accuracies[each.key]
        cells = [spanned(estimates[test]) if test in estimates else "" for test in tests]
        rows.append((*start, *cells, seeds))
        lacking = {corpus: f"{share:.1%}" for corpus, (_, share) in found[each.key].items()}
        unknown.append((*start, *(lacking.get(test, "") for test in tests), seeds))
    counted = [f"{test} ({sizes[test]:,} articles)" if sizes.get(test) else test for test in tests]
    accuracy = Table(
        "transfer",
        "Trained on, tested on: accuracy",
        ("trained on", "model", *(f"tested on {test}" for test in counted), "seeds"),
        rows,
        words=2,
        note="Mean accuracy on a corpus's test articles, with Student's t 95 % interval over "
        "seeds where there are several, or Wilson's over articles on a model's own corpus. No "
        "training sees the other corpus; splits are fixed.",
    )
    shares = Table(
        "unknown",
        "Share of unknown tokens",
        ("trained on", "model", *(f"of {test}" for test in tests), "seeds"),
        unknown,
        words=2,
        note="Of the tokens that are read, those that the model's own vocabulary lacks.",
    )
    return Section("transfer", "Transfer to another corpus", tables=[accuracy, shares])

"""The section on test accuracy of every model."""

from rnn_bench.report.analysis import Results
from rnn_bench.report.contents import Section, Table
from rnn_bench.report.figures import accuracy_figure
from rnn_bench.report.formatting import averaged, digits, interval, sentence


def accuracy_section(results: Results) -> Section | None:
    if not results.compared:
        return None
    rows = []
    for each in results.compared:
        estimate = results.accuracies[each.key]
        diverged = sum(run.state == "diverged" for run in each.answered)
        rows.append(
            (
                each.corpus,
                each.label + (f" ({diverged} diverged)" if diverged else ""),
                digits(estimate.value),
                interval(estimate),
                averaged(each.values("test_macro_f1")),
                averaged(each.values("test_loss")),
                averaged(each.values("best_epoch"), 1),
                str(len(each.answered)),
            )
        )
    methods = dict.fromkeys(results.accuracies[each.key].method for each in results.compared)
    table = Table(
        "accuracy",
        "Models and corpora",
        (
            *("corpus", "model", "test accuracy", "95 % interval"),
            *("macro F1", "test loss", "best epoch", "seeds"),
        ),
        rows,
        words=2,
        note=f"{' '.join(map(sentence, methods))} The splits are the same for all runs of a "
        "corpus: what another split would change is not in the intervals.",
    )
    drawn = accuracy_figure(results.compared, results.accuracies, results.palette)
    return Section("accuracy", "Test accuracy", tables=[table], figures=[drawn])

"""The sections on accuracy: how high it is, which differences are real, and what was chosen."""

import math
from statistics import mean

from rnn_bench.report.contents import Section, Table
from rnn_bench.report.figures import accuracy_figure
from rnn_bench.report.record import Recorded
from rnn_bench.report.results import Results
from rnn_bench.report.statistics import Comparison
from rnn_bench.report.wording import averaged, digits, interval, p_value, sentence

# Test accuracies of the study, means of batch means: of its notebook (ISOT), and of its written
# report (Kaggle), whose recipe is another: 20 epochs and Xavier initial weights.
PUBLISHED = {
    "isot": {"rnn": 0.5021, "lstm": 0.9869, "gru": 0.9944},
    "kaggle": {"rnn": 0.58, "lstm": 0.80, "gru": 0.84},
}
OWN_RECIPE = ("isot",)
MANY = 60  # pairs, beyond which they are folded away

METHODS = {
    "hierarchical": "Hierarchical: bootstrap over seeds and test articles, 10,000 resamples; "
    "interval and p are Student's t with its standard error.",
    "bootstrap": "Bootstrap: over test articles only, for models without randomness, 10,000 "
    "resamples; interval and p are Student's t with its standard error.",
    "McNemar": "McNemar: the exact test on the articles that one of two trained models alone gets "
    "right; the interval is a bootstrap's over test articles.",
}


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


def pairs_section(results: Results) -> Section | None:
    columns = (
        *("first", "", "second", "difference", "95 % interval", "p", "p, Holm"),
        *("P(1st > 2nd)", "method", "seeds"),
    )
    tables = [
        Table(
            f"pairs-{place}",
            f"On {corpus}, {found[0].articles:,} test articles",
            columns,
            [
                (
                    *(each.first, verdict(each), each.second),
                    f"{each.difference:+.4f}",
                    f"{each.low:+.4f} to {each.high:+.4f}" if math.isfinite(each.low) else "",
                    *(p_value(each.p), p_value(each.corrected_p)),
                    "" if each.one_seed else f"{each.probability:.2f}",
                    *(method(each), each.seeds),
                )
                for each in found
            ],
            words=3,
            note=" ".join(dict.fromkeys(METHODS[method(each)] for each in found)),
        )
        for place, (corpus, found) in enumerate(results.comparisons.items(), start=1)
    ]
    if not tables:
        return None
    text = [
        "Differences of test accuracy on the same articles, with fixed splits. A pair is told "
        "apart if its p, corrected for the number of pairs of the corpus (Holm), is below 0.05. "
        "P(1st > 2nd) is the share of pairs of trainings, with different seeds, in which the "
        "first has the higher accuracy; a tie counts half.",
    ]
    if any(each.one_seed for found in results.comparisons.values() for each in found):
        text.append("With one seed the test is about the trained models: it cannot rank cells.")
    many = sum(len(table.rows) for table in tables) > MANY
    return Section("pairs", "Which differences are real", text, tables, folded=many)


def method(each: Comparison) -> str:
    """The heading of `METHODS` under which a comparison was made."""
    if "McNemar" in each.method:
        return "McNemar"
    return "hierarchical" if "hierarchical" in each.method else "bootstrap"


def verdict(each: Comparison) -> str:
    if not each.is_told_apart:
        return "cannot be told apart from"
    return "is better than" if each.difference > 0 else "is worse than"


def published_section(results: Results) -> Section | None:
    rows = []
    for each in results.compared:
        run = each.answered[0]
        published = PUBLISHED.get(run.tags["dataset"], {}).get(each.model)
        if run.tags["protocol"] != "notebook" or published is None:
            continue
        values = [value for value in each.values("test_accuracy_batch_mean") if value == value]
        if values:
            verdict = published_verdict(run, published, values)
            rows.append(
                (
                    each.corpus,
                    each.label,
                    digits(published),
                    averaged(values),
                    str(len(values)),
                    verdict,
                )
            )
    if not rows:
        return None
    table = Table(
        "published",
        "Published and reproduced",
        ("corpus", "model", "published", "reproduced", "seeds", "verdict"),
        rows,
        words=2,
        note="Means of the batches' accuracies, as the study computes them. The study made one run "
        "each.",
    )
    return Section("published", "Published and reproduced", tables=[table])


def published_verdict(run: Recorded, published: float, values: list[float]) -> str:
    """A verdict on the published edition alone."""
    edition = run.tags["data_edition"]
    if edition != "published":
        size = sum(run.articles.values())
        return (
            f"none: these articles are {'a sample' if edition == 'sample' else 'another edition'}"
            + (f" ({size:,})" if size else "")
        )
    if run.tags["dataset"] not in OWN_RECIPE:
        return "none: published with 20 epochs and other initial weights"
    return f"differs by {mean(values) - published:+.4f}"


def tuning_section(results: Results) -> Section | None:
    """The grid that configurations were chosen from, by validation loss alone."""
    kept = {each.key for each in results.compared}
    if all(each.key in kept for each in results.found if each.answered):
        return None
    rows = [
        (
            each.corpus,
            each.label,
            digits(each.validation_loss),
            str(len(each.answered)),
            "chosen" if each.key in kept else "",
        )
        for each in results.found
        if each.answered
    ]
    table = Table(
        "tuning",
        "Mean validation loss",
        ("corpus", "configuration", "validation loss", "seeds", ""),
        rows,
        words=2,
        note="Of configurations that differ in the optimizer's settings, the one with the lowest "
        "mean validation loss is compared on the test articles. The others' test accuracies are "
        "not shown.",
    )
    return Section("tuning", "How configurations were chosen", tables=[table])

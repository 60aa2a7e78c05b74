"""The section on published and reproduced accuracies."""

from statistics import mean

from rnn_bench.report.analysis import Results
from rnn_bench.report.contents import Section, Table
from rnn_bench.report.formatting import averaged, digits
from rnn_bench.tracking.sweeps import Recorded

# Test accuracies of the study, means of batch means: of its notebook (ISOT), and of its written
# report (Kaggle), whose recipe is another: 20 epochs and Xavier initial weights.
PUBLISHED = {
    "isot": {"rnn": 0.5021, "lstm": 0.9869, "gru": 0.9944},
    "kaggle": {"rnn": 0.58, "lstm": 0.80, "gru": 0.84},
}


OWN_RECIPE = ("isot",)


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

"""The section that sets reproduced accuracies beside the study's published ones."""

import math
from statistics import mean

from rnn_bench.report.analysis import Results
from rnn_bench.report.contents import Section, Table
from rnn_bench.report.formatting import format_mean, format_number
from rnn_bench.report.study_results import PUBLISHED, SAME_RECIPE
from rnn_bench.tracking import schema
from rnn_bench.tracking.recorded_run import RecordedRun


def published_section(results: Results) -> Section | None:
    rows = []
    for each in results.compared:
        run = each.completed[0]
        published = PUBLISHED.get(run.tags[schema.DATASET], {}).get(each.model)
        values = results.values(each, schema.TEST_ACCURACY_BATCH_MEAN)
        values = [value for value in values if math.isfinite(value)]
        if published is not None and run.tags[schema.PROTOCOL] == "notebook" and values:
            rows.append(
                (
                    *(each.corpus, each.label),
                    *(format_number(published), format_mean(values), str(len(values))),
                    describe_difference(run, published, mean(values)),
                )
            )
    if not rows:
        return None
    table = Table(
        "published",
        "Published and reproduced",
        ("corpus", "model", "published", "reproduced", "seeds", "difference"),
        rows,
        words=2,
        note="Accuracies are means of the batches' accuracies, as the study computes them. The "
        "study trained each model once.",
    )
    return Section("published", "Published and reproduced", tables=[table])


def describe_difference(run: RecordedRun, published: float, reproduced: float) -> str:
    """Return the difference, or why the two accuracies cannot be compared."""
    edition = run.tags.get(schema.DATA_EDITION, "")
    if edition != "published":
        size = sum(run.split_sizes.values())
        articles = "a sample" if edition == "sample" else "another edition"
        return f"not comparable: these articles are {articles}" + (f" ({size:,})" if size else "")
    if run.tags[schema.DATASET] not in SAME_RECIPE:
        return "not comparable: published with 20 epochs and other initial weights"
    return f"{reproduced - published:+.4f}"

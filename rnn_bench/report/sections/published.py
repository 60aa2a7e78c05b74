"""The section that sets the sweep's accuracies beside published ones."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rnn_bench.report.analysis import Results
from rnn_bench.report.configurations import Configuration
from rnn_bench.report.contents import Section, Table
from rnn_bench.report.formatting import format_interval, format_number
from rnn_bench.report.palette import styles
from rnn_bench.report.statistics import Estimate, mean_over_seeds, share_of
from rnn_bench.tracking import schema
from rnn_bench.tracking.recorded_run import RecordedRun


def published_section(results: Results) -> Section | None:
    rows = []
    for corpus in results.corpora:
        models = results.on(corpus)
        for entry in json.loads(models[0].completed[0].tags.get(schema.PUBLISHED, "[]")):
            if (model := model_to_compare(entry, models)) is not None:
                rows.append(compare_with_published(entry, model, results))
    if not rows:
        return None
    table = Table(
        "published",
        "Published and reproduced",
        (
            *("corpus", "published model", "source", "model here"),
            *("published", "here", "95 % interval", "over", "difference"),
        ),
        rows,
        words=4,
        note="A published model that is none of the models here is set beside the network with the "
        "lowest validation loss. A difference is within the spreads if it is smaller than both "
        "together: half the interval here, and the published spread, which is what replications "
        "differ by, or half of Wilson's 95 % interval where no replication is known.",
    )
    return Section("published", "Published and reproduced", tables=[table])


def model_to_compare(
    entry: Mapping[str, Any], models: Sequence[Configuration]
) -> Configuration | None:
    """Return the model of the published result's name; the network with the lowest validation loss
    if it is of another kind of model; None where the sweep has nothing to compare with it."""
    run = models[0].completed[0]
    if run.number("dataset.train_size", default=1) != entry.get("train_size", 1):
        return None
    if entry.get("same_recipe") and run.tags[schema.PROTOCOL] != "notebook":
        return None
    if entry["model"] in styles():
        return next((model for model in models if model.model == entry["model"]), None)
    networks = [model for model in models if not model.is_baseline]
    return min(networks, key=lambda model: model.validation_loss, default=None)


def compare_with_published(
    entry: Mapping[str, Any], model: Configuration, results: Results
) -> tuple[str, ...]:
    """Return the row of a published result and of the model to compare it with."""
    run = model.completed[0]
    found = results.accuracies[model.key]
    if entry.get("same_recipe"):  # the study's accuracies are means over batches
        values = results.values(model, schema.TEST_ACCURACY_BATCH_MEAN)
        found = mean_over_seeds([each for each in values if math.isfinite(each)])
    articles = sum(runs[0].split_sizes.get("test", 0) for runs in model.splits.values())
    return (
        run.tags[schema.DATASET],
        *(entry["model"], entry["source"], model.label),
        *(format_number(entry["accuracy"]), format_number(found.value), format_interval(found)),
        found.over,
        describe_difference(run, entry, found, articles),
    )


def describe_difference(
    run: RecordedRun, entry: Mapping[str, Any], found: Estimate, articles: int
) -> str:
    """Return the difference and what it is worth, or why the two cannot be compared."""
    edition = run.tags.get(schema.DATA_EDITION, "")
    if edition != "published":
        size = sum(run.split_sizes.values())
        what = "a sample" if edition == "sample" else "another edition"
        return f"not comparable: these articles are {what}" + (f" ({size:,})" if size else "")
    difference = found.value - entry["accuracy"]
    spread = entry.get("spread") or half_width(wilson(entry["accuracy"], articles))
    both = math.hypot(spread, half_width(found) or half_width(wilson(found.value, articles)))
    if not math.isfinite(difference) or not both:
        return format_number(difference)
    words = "within" if abs(difference) <= both else "beyond"
    return f"{difference:+.4f}, {words} the spreads ({both:.4f})"


def wilson(accuracy: float, articles: int) -> Estimate:
    """Return an accuracy with Wilson's interval over so many articles."""
    right = round(accuracy * articles) if math.isfinite(accuracy) else 0
    return share_of(np.arange(articles) < right)


def half_width(estimate: Estimate) -> float:
    """Return half of the width of an interval; 0 without an interval."""
    return (estimate.high - estimate.low) / 2 if estimate.has_interval else 0.0

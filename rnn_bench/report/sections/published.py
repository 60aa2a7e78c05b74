"""The section that sets the sweep's accuracies beside published ones."""

import json
import math
from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any

import numpy as np

from rnn_bench.report.analysis import Results
from rnn_bench.report.configurations import Configuration
from rnn_bench.report.contents import Section, Table
from rnn_bench.report.formatting import format_count, format_interval, format_number
from rnn_bench.report.palette import styles
from rnn_bench.report.statistics import (
    Correctness,
    Estimate,
    accuracy_of,
    mean_over_seeds,
    share_of_articles,
    within_shares,
)
from rnn_bench.tracking import schema
from rnn_bench.tracking.recorded_run import RecordedRun

FOLD = "dataset.fold"
Model = Sequence[Configuration]  # of one label on one corpus, one for each fold


def published_section(results: Results) -> Section | None:
    rows = []
    for models in models_by_corpus(results):
        run = models[0][0].completed[0]
        for entry in json.loads(run.tags.get(schema.PUBLISHED, "[]")):
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
        "differ by, or half of Wilson's 95 % interval where no replication is known. The accuracy "
        "of folds is that of all articles, each read by the model of its fold.",
    )
    return Section("published", "Published and reproduced", tables=[table])


def models_by_corpus(results: Results) -> list[list[Model]]:
    """Return the models of each corpus, with their folds together."""
    corpora: dict[tuple[object, ...], dict[str, list[Configuration]]] = {}
    for each in results.compared:
        run = each.completed[0]
        settings = sorted(
            (name, value)
            for name, value in run.parameters.items()
            if name.startswith(("dataset.", "protocol."))
            and name not in (FOLD, *results.sweep.searched)
        )
        corpus = corpora.setdefault((run.tags[schema.DATASET], *settings), {})
        corpus.setdefault(each.label, []).append(each)
    return [[*models.values()] for models in corpora.values()]


def model_to_compare(entry: Mapping[str, Any], models: Sequence[Model]) -> Model | None:
    """Return the model of the published result's name; the network with the lowest validation loss
    if it is of another kind of model; None where the sweep has nothing to compare with it."""
    run = models[0][0].completed[0]
    if run.number("dataset.train_size", default=1) != entry.get("train_size", 1):
        return None
    if entry.get("same_recipe") and run.tags[schema.PROTOCOL] != "notebook":
        return None
    if entry["model"] in styles():
        return next((model for model in models if model[0].model == entry["model"]), None)
    networks = [model for model in models if not model[0].is_baseline]
    if not networks:
        return None
    return min(networks, key=lambda model: mean(each.validation_loss for each in model))


def compare_with_published(
    entry: Mapping[str, Any], model: Model, results: Results
) -> tuple[str, ...]:
    """Return the row of a published result and of the model to compare it with."""
    run = model[0].completed[0]
    if entry.get("same_recipe"):  # the study's accuracies are means over batches
        values = results.values(model[0], schema.TEST_ACCURACY_BATCH_MEAN)
        found = within_shares(mean_over_seeds([each for each in values if math.isfinite(each)]))
    else:
        found = accuracy_over_folds(model, results)
    return (
        run.tags[schema.DATASET],
        *(entry["model"], entry["source"], model[0].label),
        *(format_number(entry["accuracy"]), format_number(found.value), format_interval(found)),
        format_count(found),
        describe_difference(run, entry, found, articles=sum(map(test_articles, model))),
    )


def accuracy_over_folds(model: Model, results: Results) -> Estimate:
    """Return the accuracy on the articles of all folds together; the mean of the folds where not
    every prediction is stored, or the folds have different seeds."""
    if len(model) == 1:
        return results.accuracies[model[0].key]
    parts = [results.correctness[each.key] for each in model if each.key in results.correctness]
    if len(parts) < len(model) or len({len(part.correct) for part in parts}) > 1:
        folds = [results.accuracies[each.key].value for each in model]
        return within_shares(mean_over_seeds(folds))
    whole = Correctness(
        parts[0].name,
        parts[0].key,
        labels=np.concatenate([part.labels for part in parts]),
        correct=np.concatenate([part.correct for part in parts], axis=1),
        is_random=parts[0].is_random,
    )
    return accuracy_of(whole)


def test_articles(configuration: Configuration) -> int:
    """Return the number of test articles of a configuration; 0 if it is not recorded."""
    return configuration.completed[0].split_sizes.get("test", 0)


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
    return share_of_articles(np.arange(articles) < right)


def half_width(estimate: Estimate) -> float:
    """Return half of the width of an interval; 0 without an interval."""
    return (estimate.high - estimate.low) / 2 if math.isfinite(estimate.low) else 0.0

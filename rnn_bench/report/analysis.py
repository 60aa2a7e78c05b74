"""The results of a sweep: predictions, estimates and comparisons, each computed once."""

import logging
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from math import inf, isnan, nan
from pathlib import Path
from statistics import mean
from typing import TypeVar

import numpy as np

from rnn_bench.data.audit.results import CorpusAudit
from rnn_bench.data.corpus import DataError
from rnn_bench.evaluation.metrics import (
    METRICS,
    article_values,
    compute_metrics,
    counted_articles,
    is_loss,
)
from rnn_bench.evaluation.predictions import (
    Predictions,
    PredictionScores,
    evaluate_predictions,
    read_predictions,
)
from rnn_bench.report.comparing import Comparison, best_of, compare_all
from rnn_bench.report.configurations import Configuration, choose_tuned, group_runs
from rnn_bench.report.outcomes import Outcomes
from rnn_bench.report.palette import colours
from rnn_bench.report.statistics import Estimate, estimate, mean_over_seeds
from rnn_bench.tracking import schema
from rnn_bench.tracking.recorded_run import RecordedRun
from rnn_bench.tracking.sweeps import Sweep

log = logging.getLogger(__name__)

Content = TypeVar("Content")


class Results:
    """The results of a sweep, each computed when it is first used.

    `configurations` are all of the sweep. `compared` are the completed ones whose test accuracy
    the report shows: where the optimizer was tuned, only those that validation loss chose.
    `unread` has a sentence for each file of a run that was needed so far and cannot be read.
    """

    def __init__(self, sweep: Sweep) -> None:
        self.sweep = sweep
        self.unread: list[str] = []
        self.configurations = group_runs(sweep)
        self.compared = choose_tuned([each for each in self.configurations if each.completed])
        self.corpora = list(dict.fromkeys(each.corpus for each in self.compared))

    def on(self, corpus: str) -> list[Configuration]:
        """Return the compared configurations of a corpus, the best in the primary metric first."""
        found = [each for each in self.compared if each.corpus == corpus]
        sign = 1 if self.ranks_by_loss else -1
        return sorted(found, key=lambda each: (isnan(m := self.primary[each.key].value), sign * m))

    @cached_property
    def ordered(self) -> list[Configuration]:
        """The compared configurations by corpus, the best ones first."""
        return [each for corpus in self.corpora for each in self.on(corpus)]

    @cached_property
    def palette(self) -> dict[str, str]:
        """A colour by label, the same in every figure."""
        return colours(self.compared)

    def metric(self, run: RecordedRun, name: str) -> float:
        """Return a metric of a run, computed from its stored predictions where that is possible,
        else as it was recorded; nan if it is neither stored nor recorded."""
        part = name.partition("/")[0]
        if part in METRICS and run.id in self.predictions:
            figures = compute_metrics(self.predictions[run.id], [part])
            return figures.get(name, nan)
        return run.metric(name)

    def values(self, configuration: Configuration, name: str) -> list[float]:
        """Return a metric of the completed runs of a configuration, by seed."""
        return [self.metric(run, name) for run in configuration.completed]

    def read_artifact(
        self, run: RecordedRun, name: str, read: Callable[[Path], Content]
    ) -> Content | None:
        """Return what `read` makes of an artifact; None if the run has none, or it cannot be read,
        which `unread` then says."""
        place = name
        try:
            with run.local_artifact(name) as path:
                if path is None:
                    return None
                place = str(path)
                return read(path)
        except (DataError, OSError) as error:
            reason = str(error).replace(place, name)
            self.unread.append(f"{name} of {run.name} is not used: {reason}")
            log.warning("%s", self.unread[-1])
            return None

    @cached_property
    def predictions(self) -> dict[str, Predictions]:
        """The stored predictions by run id, of the compared runs that have them."""
        found = {}
        for each in self.compared:
            for run in each.completed:
                read = partial(read_all_predictions, run)
                if predictions := self.read_artifact(run, schema.PREDICTIONS_FILE, read):
                    found[run.id] = predictions
        return found

    @cached_property
    def audits_by_split(self) -> dict[tuple[str, str], CorpusAudit]:
        """The audit of each corpus and split that was audited."""
        found: dict[tuple[str, str], CorpusAudit] = {}
        for each in self.configurations:
            for split, runs in each.splits.items():
                for run in runs:
                    if (each.corpus, split) in found:
                        break
                    read = partial(read_audit, run)
                    if audit := self.read_artifact(run, schema.AUDIT_FILE, read):
                        found[each.corpus, split] = audit
        return found

    @cached_property
    def scores(self) -> dict[str, PredictionScores]:
        """The scores of the stored predictions by run id."""
        shared = {of: audit.test_articles_in_train for of, audit in self.audits_by_split.items()}
        return {
            run.id: evaluate_predictions(
                self.predictions[run.id], shared.get((each.corpus, split), ())
            )
            for each in self.compared
            for split, runs in each.splits.items()
            for run in runs
            if run.id in self.predictions
        }

    @cached_property
    def outcomes(self) -> dict[str, Outcomes]:
        """The correct test articles by config key, where every completed run has predictions."""
        return self.outcomes_of(schema.TEST_ACCURACY)

    def outcomes_of(self, metric: str) -> dict[str, Outcomes]:
        """Return the articles' values of a recorded metric by config key, where every completed run
        has predictions, and all values are finite."""
        found = {}
        for each in self.compared:
            splits = each.splits
            if not all(run.id in self.predictions for run in each.completed):
                continue
            rows = [[self.predictions[run.id] for run in runs] for runs in splits.values()]
            values = tuple(
                np.stack([article_values(row, metric) for row in of_split]) for of_split in rows
            )
            if not all(np.isfinite(each).all() for each in values):
                continue
            sizes = [run.split_sizes.get("train", 0) for run in each.completed]
            seeds = [tuple(run.tags[schema.SEED] for run in runs) for runs in splits.values()]
            found[each.key] = Outcomes(
                each.label,
                each.key,
                splits=values,
                labels=tuple(of_split[0].labels for of_split in rows),
                seeds=seeds[0],
                is_random=not each.is_baseline,
                shares_batches=not each.is_baseline and all(some == seeds[0] for some in seeds),
                split_names=tuple(splits),
                train_articles=mean(sizes) or inf,
                counted=sum(
                    mean(counted_articles(run, metric) for run in of_split) for of_split in rows
                ),
                is_loss=is_loss(metric),
            )
        return found

    @cached_property
    def accuracies(self) -> dict[str, Estimate]:
        """The test accuracy by config key."""
        return self._estimates(self.outcomes, schema.TEST_ACCURACY)

    @property
    def ranks_by_accuracy(self) -> bool:
        """Whether the sweep's primary metric is test accuracy."""
        return self.sweep.primary_metric == schema.TEST_ACCURACY

    @property
    def ranks_by_loss(self) -> bool:
        """Whether the lowest value of the sweep's primary metric is the best."""
        return is_loss(self.sweep.primary_metric)

    @cached_property
    def primary_outcomes(self) -> dict[str, Outcomes]:
        """The articles' values of the sweep's primary metric by config key."""
        if self.ranks_by_accuracy:
            return self.outcomes
        return self.outcomes_of(self.sweep.primary_metric)

    @cached_property
    def primary(self) -> dict[str, Estimate]:
        """The primary metric by config key."""
        return self._estimates(self.primary_outcomes, self.sweep.primary_metric)

    def _estimates(self, outcomes: Mapping[str, Outcomes], metric: str) -> dict[str, Estimate]:
        return {
            each.key: estimate(outcomes[each.key])
            if each.key in outcomes
            else mean_over_seeds(self.values(each, metric), not is_loss(metric))
            for each in self.compared
        }

    @cached_property
    def comparisons(self) -> dict[str, list[Comparison]]:
        """The comparisons of each pair of configurations in the primary metric, by corpus, the best
        ones first; only corpora with a pair."""
        found = {}
        for corpus in self.corpora:
            keys = [each.key for each in self.on(corpus) if each.key in self.primary_outcomes]
            models = [self.primary_outcomes[key] for key in keys]
            if pairs := compare_all(models, self.sweep.margin):
                found[corpus] = pairs
        return found

    def comparison(
        self, corpus: str, first: Configuration, second: Configuration
    ) -> Comparison | None:
        """Return the comparison of two configurations in either order; None if there is none."""
        names = {first.label, second.label}
        pairs = self.comparisons.get(corpus, [])
        return next((each for each in pairs if {each.first, each.second} == names), None)

    def are_ranked(self, corpus: str) -> bool:
        """Return whether the models of a corpus can be ranked: the one with the best mean has
        enough seeds, or needs none, and there is another such one."""
        first = self.on(corpus)[0]
        pairs = [each for each in self.comparisons.get(corpus, []) if not each.of_models]
        return any(first.label in (each.first, each.second) for each in pairs)

    def best(self, corpus: str) -> list[Configuration]:
        """Return the configurations of a corpus that no other one is better than, the one with the
        best mean first."""
        found = self.on(corpus)
        names = best_of([each.label for each in found], self.comparisons.get(corpus, []))
        return [each for each in found if each.label in names]

    def chance(self, corpus: str) -> float:
        """Return the accuracy of the best constant on a corpus: the share of its largest class in
        the test articles of all splits; nan without predictions."""
        constant = self._constant(corpus)
        return nan if constant is None else float(constant.correct.mean())

    def constant_loss(self, corpus: str) -> float:
        """Return the primary metric of the best constant on a corpus, where it is a loss: of one
        that gives the classes' shares in the test articles of all splits as probabilities; nan
        without predictions."""
        name, constant = self.sweep.primary_metric, self._constant(corpus)
        return nan if constant is None else compute_metrics(constant, [name])[name]

    def _constant(self, corpus: str) -> Predictions | None:
        """Return the predictions of the best constant on a corpus's test articles; None without
        predictions."""
        for each in self.on(corpus):
            if each.key in self.outcomes:
                labels = np.concatenate(self.outcomes[each.key].labels)
                classes = self.predictions[each.completed[0].id].classes
                counts = np.bincount(labels, minlength=len(classes))
                largest = np.full(len(labels), counts.argmax())
                shares = np.tile(counts / len(labels), (len(labels), 1))
                return Predictions(classes, labels, largest, shares)
        return None


def read_all_predictions(run: RecordedRun, path: Path) -> Predictions:
    """Return a run's stored predictions.

    Raises:
        DataError: they are damaged, or not of every test article.
    """
    predictions = read_predictions(path)
    require_count(path, len(predictions.labels), run)
    return predictions


def read_audit(run: RecordedRun, path: Path) -> CorpusAudit:
    """Return the audit of a run's corpus.

    Raises:
        DataError: it is damaged, or of another number of test articles.
    """
    audit = CorpusAudit.from_json(path.read_bytes(), path)
    require_count(path, audit.splits["test"].articles, run)
    return audit


def require_count(path: Path, count: int, run: RecordedRun) -> None:
    """Check that a file is of all test articles of a run.

    Raises:
        DataError: it is not.
    """
    expected = run.split_sizes.get("test", count)
    if count != expected:
        raise DataError(f"{path} has {count:,} of {expected:,} test articles.")

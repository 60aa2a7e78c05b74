"""What a sweep's answers come to: predictions, estimates and comparisons, each worked out once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rnn_bench.data.audit.results import CorpusAudit
from rnn_bench.evaluation.predictions import (
    Evaluation,
    Predictions,
    evaluate_predictions,
    read_predictions,
)
from rnn_bench.report.configurations import Configuration, chosen, configurations, corpora
from rnn_bench.report.palette import colours
from rnn_bench.report.statistics import (
    Answers,
    Comparison,
    Estimate,
    accuracy_of,
    compare_all,
    mean_over_seeds,
    within_shares,
)
from rnn_bench.tracking.sweeps import Recorded, Sweep

BASELINES = ("tfidf", "majority")
PREDICTIONS, AUDIT = "test_predictions.csv", "audit.json"


@dataclass(frozen=True)
class Results:
    """Of a sweep. `found` has every configuration, `compared` the answered ones whose test
    accuracy may be looked at."""

    sweep: Sweep

    @cached_property
    def found(self) -> list[Configuration]:
        return configurations(self.sweep)

    @cached_property
    def compared(self) -> list[Configuration]:
        return chosen([each for each in self.found if each.answered])

    @cached_property
    def corpora(self) -> list[str]:
        return corpora(self.compared)

    @cached_property
    def palette(self) -> dict[str, str]:
        """A colour by label, the same in every figure."""
        return colours(self.compared)

    def on(self, corpus: str) -> list[Configuration]:
        return [each for each in self.compared if each.corpus == corpus]

    @cached_property
    def predictions(self) -> dict[str, Predictions]:
        """By run id, of the compared configurations' runs that have them."""
        found = {}
        for each in self.compared:
            for run in each.answered:
                path = run.artifact(PREDICTIONS)
                if path is not None:
                    found[run.id] = read_predictions(path)
        return found

    @cached_property
    def audits(self) -> dict[str, CorpusAudit]:
        """By corpus, where a run has one."""
        found: dict[str, CorpusAudit] = {}
        for each in self.found:
            for run in each.answered:
                if each.corpus not in found and run.has(AUDIT) and (path := run.artifact(AUDIT)):
                    found[each.corpus] = CorpusAudit.from_json(path.read_bytes(), path)
        return found

    @cached_property
    def evaluations(self) -> dict[str, list[Evaluation]]:
        """By config key, of the runs with predictions, by seed."""
        shared = {name: audit.test_articles_in_train for name, audit in self.audits.items()}
        return {
            each.key: [
                evaluate_predictions(self.predictions[run.id], shared.get(each.corpus, ()))
                for run in each.answered
                if run.id in self.predictions
            ]
            for each in self.compared
        }

    @cached_property
    def answers(self) -> dict[str, Answers]:
        """By config key, of the configurations all of whose answered runs have predictions."""
        found = {}
        for each in self.compared:
            rows = [self.predictions.get(run.id) for run in each.answered]
            known = [row for row in rows if row is not None]
            if known and len(known) == len(rows):
                found[each.key] = Answers(
                    each.label,
                    each.key,
                    labels=known[0].labels,
                    correct=np.stack([row.correct for row in known]),
                    is_random=each.model not in BASELINES,
                )
        return found

    @cached_property
    def accuracies(self) -> dict[str, Estimate]:
        """Test accuracy by config key: over seeds, or over articles where there is one model."""
        found = {}
        for each in self.compared:
            answers = self.answers.get(each.key)
            found[each.key] = (
                within_shares(mean_over_seeds(each.values("test_accuracy")))
                if answers is None
                else accuracy_of(answers)
            )
        return found

    @cached_property
    def comparisons(self) -> dict[str, list[Comparison]]:
        """By corpus, of each pair on the same test articles."""
        found = {}
        for corpus in self.corpora:
            answers = [
                self.answers[each.key] for each in self.on(corpus) if each.key in self.answers
            ]
            if pairs := compare_all(answers):
                found[corpus] = pairs
        return found

    @cached_property
    def seconds(self) -> dict[str, float]:
        """Training time by run id, of the largest group of runs whose times can be compared: the
        same machine, device, threads and number of runs at once, and never resumed."""
        groups: dict[tuple[str, ...], dict[str, float]] = {}
        for each in self.compared:
            for run in each.answered:
                if "train_seconds" in run.metrics and not was_resumed(run):
                    conditions = tuple(run.tags.get(name, "") for name in CONDITIONS)
                    groups.setdefault(conditions, {})[run.id] = run.metrics["train_seconds"]
        return max(groups.values(), key=len, default={})

    def transfers(self) -> dict[str, dict[str, tuple[Estimate, float]]]:
        """Accuracy and share of unknown tokens by config key and the corpus that is read."""
        found: dict[str, dict[str, tuple[Estimate, float]]] = {}
        for each in self.compared:
            for corpus in transferred(each.answered):
                metric = f"{TRANSFER}{corpus}/"
                runs = [run for run in each.answered if f"{metric}accuracy" in run.metrics]
                values = [run.metrics[f"{metric}accuracy"] for run in runs]
                accuracy = within_shares(mean_over_seeds(values))
                unknown = float(np.mean([run.metrics[f"{metric}unknown_share"] for run in runs]))
                found.setdefault(each.key, {})[corpus] = accuracy, unknown
        return found


CONDITIONS = ("host", "device", "threads", "concurrent_jobs")
TRANSFER = "transfer/"


def was_resumed(run: Recorded) -> bool:
    tags: Mapping[str, str] = run.tags
    return any(how == "resumed" for name, how in tags.items() if name.startswith("sweep."))


def transferred(runs: Sequence[Recorded]) -> list[str]:
    return sorted(
        {
            name.removeprefix(TRANSFER).partition("/")[0]
            for run in runs
            for name in run.metrics
            if name.startswith(TRANSFER)
        }
    )

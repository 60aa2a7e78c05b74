"""Explain why runs that were recorded before are trained again."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.entities import Run

from rnn_bench.config.options import name_of
from rnn_bench.config.schema import Config
from rnn_bench.tracking import schema
from rnn_bench.tracking.recorded_run import read_object
from rnn_bench.tracking.run_key import SweepKeys, question_tags
from rnn_bench.tracking.sweeps import all_runs, tag_filter

UNVERSIONED = "recorded before results had versions"


@dataclass(frozen=True)
class AskedRun:
    """A run that a sweep asks for: its config, its name, and the hash of its articles."""

    config: Config
    name: str
    fingerprint: str


def explain_new_runs(
    client: MlflowClient, experiment_id: str, asked: Iterable[AskedRun]
) -> list[str]:
    """Return a line for each reason why recorded runs cannot be reused for the runs of a sweep.

    Such as `3 runs are new: training recipe 2, recorded with 1.` Runs that were never recorded, and
    those that are answered, have no line.
    """
    by_dataset: dict[str, list[AskedRun]] = {}
    for run in asked:
        by_dataset.setdefault(name_of(run.config.dataset), []).append(run)
    reasons: Counter[str] = Counter()
    keys = SweepKeys()
    for dataset, runs in by_dataset.items():
        recorded = _finished_runs(client, experiment_id, dataset)
        answered = {row.data.tags.get(schema.RUN_KEY) for row in recorded}
        # A row without a question's key is known by its name.
        asked_before = {
            row.data.tags.get(schema.QUESTION_KEY, row.info.run_name) for row in recorded
        }
        for run in runs if recorded else ():
            if keys.run_key(run.config, run.fingerprint) in answered:
                continue
            if not asked_before & {keys.question_key(run.config, run.fingerprint), run.name}:
                continue
            if reason := _reason(run, recorded):
                reasons[reason] += 1
    return [
        f"{count} {'run is' if count == 1 else 'runs are'} new: {reason}."
        for reason, count in reasons.items()
    ]


def _finished_runs(client: MlflowClient, experiment_id: str, dataset: str) -> list[Run]:
    """Return the corpus's finished runs, newest first."""
    which = f"attributes.status = 'FINISHED' AND {tag_filter(schema.DATASET, dataset)}"
    return all_runs(client, experiment_id, which)[::-1]


def _reason(asked: AskedRun, recorded: Iterable[Run]) -> str:
    """Return why a recorded run of the same question does not answer this run; else an empty
    text."""
    tags = question_tags(asked.config, asked.fingerprint)
    reason = ""
    for run in recorded:
        if run.data.tags.get(schema.RUN_KEY) == tags[schema.RUN_KEY]:
            return ""
        if reason:
            continue
        if run.data.tags.get(schema.QUESTION_KEY) == tags[schema.QUESTION_KEY]:
            now = json.loads(tags[schema.RESULT_VERSIONS])
            then = read_object(run.data.tags.get(schema.RESULT_VERSIONS))
            reason = describe_changes(now, then)
        elif schema.QUESTION_KEY not in run.data.tags and run.info.run_name == asked.name:
            reason = UNVERSIONED
    return reason


def describe_changes(now: Mapping[str, int | str], then: Mapping[str, int | str]) -> str:
    """Return the parts whose versions differ: `training recipe 2, recorded with 1`."""
    changes = []
    for part, version in now.items():
        before = then.get(part, 1)
        if version == before:
            continue
        if isinstance(version, str) or isinstance(before, str):
            changes.append(f"the code of {part} changed")
        else:
            changes.append(f"{part} {version}, recorded with {before}")
    return " and ".join(changes)

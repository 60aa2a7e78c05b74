"""Audits the corpora of a sweep at its end, and records the audits with its runs."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mlflow import MlflowClient
from rich.markup import escape

from rnn_bench.config.composition import Job
from rnn_bench.config.dataset import SPLIT_KEYS
from rnn_bench.config.errors import describe, printable
from rnn_bench.config.options import decisive_keys, entry, name_of
from rnn_bench.config.schema import Config
from rnn_bench.data.audit import audit_corpus
from rnn_bench.data.audit.results import CorpusAudit
from rnn_bench.data.audit.summary import findings
from rnn_bench.data.corpus import DataError
from rnn_bench.tracking import schema
from rnn_bench.tracking.availability import short_timeouts, unreachable
from rnn_bench.tracking.recorded_run import RecordedRun
from rnn_bench.training.console import console

log = logging.getLogger("rnn_bench")

TRAIN_SIZE = "train_size"  # which part of the audited articles is used


def record_audits(
    client: MlflowClient, runs: Sequence[RecordedRun], jobs_by_key: Mapping[str, Job]
) -> list[str]:
    """Audit the corpora of a sweep, where its finished runs have no audit yet, and record the
    audits with these runs. Log an error as a warning: the runs themselves are complete.

    `jobs_by_key` has the jobs by run key. Return a line for each corpus with faults, by new audits
    and by recorded ones.
    """
    groups: dict[str, tuple[Job, list[RecordedRun]]] = {}  # job and runs by what is audited
    for run in runs:
        job = jobs_by_key.get(run.tags[schema.RUN_KEY])
        if job and run.row.info.status == "FINISHED":
            groups.setdefault(_what_is_audited(job.config), (job, []))[1].append(run)
    several_seeds = len({job.config.protocol.split_seed for job, _ in groups.values()}) > 1
    names = _distinct_names([job.config.dataset for job, _ in groups.values()])
    audits: dict[str, dict[str, CorpusAudit]] = {}  # by the corpus's name and the articles
    with short_timeouts():
        for name, (job, of_corpus) in zip(names, groups.values(), strict=True):
            of = ", ".join([name, *_split_of(job.config, several_seeds)])
            try:
                audit = _read_or_make_audit(client, job, of_corpus, of)
                audits.setdefault(name, {})[audit.fingerprint] = replace(audit, corpus=name)
            except Exception as error:
                log.warning("The audit of %s is not known: %s", of, describe(error))
                if unreachable(error):
                    break
    lines = []
    for name, by_articles in audits.items():
        try:
            lines.append(printable(findings(*by_articles.values())))
        except Exception as error:
            log.warning("The audit of %s is not summarized: %s", name, describe(error))
    return [line for line in lines if line]


def _what_is_audited(config: Config) -> str:
    """Return what is the same for runs of which one audit speaks: the articles and their tokens."""
    dataset = decisive_keys(config.dataset)
    settings = {key: value for key, value in dataset.items() if key != TRAIN_SIZE}
    return repr(
        (name_of(config.dataset), settings, config.protocol.split_seed, config.protocol.tokens)
    )


def _read_or_make_audit(
    client: MlflowClient, job: Job, runs: Sequence[RecordedRun], name: str
) -> CorpusAudit:
    """Return the audit that is recorded with the runs of a corpus. Where one of them has none, or
    none can be read, audit the corpus, and record it with those that have none."""
    lacking = [run for run in runs if schema.AUDIT_FILE not in run.artifact_names]
    if not lacking:
        for run in runs:
            try:
                with run.local_artifact(schema.AUDIT_FILE) as path:
                    if path is not None:
                        return CorpusAudit.from_json(path.read_bytes(), schema.AUDIT_FILE)
            except (DataError, OSError) as error:
                log.warning("The audit of run %s is not used: %s", run.id, describe(error))
    with console.status(escape(f"Auditing {name}")):
        audit = audit_corpus(job.config)
    for run in lacking:
        try:
            client.log_text(run.id, audit.to_json(), schema.AUDIT_FILE)
        except Exception as error:
            log.warning("The audit of %s is not recorded: %s", name, describe(error))
            break
    return audit


def _distinct_names(datasets: Sequence[Any]) -> list[str]:
    """Return each dataset's name, with the settings in which those of one name differ, other than
    which split or part of it is used: `reviews (cleaning lower)`."""
    names = []
    for dataset in datasets:
        alike = [decisive_keys(other) for other in datasets if name_of(other) == name_of(dataset)]
        differing = [
            f"{key} {value}"
            for key, value in decisive_keys(dataset).items()
            if key not in (*SPLIT_KEYS, TRAIN_SIZE)
            and any(other.get(key) != value for other in alike)
        ]
        names.append(name_of(dataset) + f" ({', '.join(differing)})" * bool(differing))
    return names


def _split_of(config: Config, several_seeds: bool) -> Iterator[str]:
    """Yield `fold 3` or `resample 3` of a dataset with several splits, and its `split_seed` where
    there are several."""
    resample = entry(config.dataset, "resample")
    if resample is not None:
        yield f"resample {resample}"
    elif entry(config.dataset, "folds"):
        yield f"fold {entry(config.dataset, 'fold')}"
    if several_seeds:
        yield f"split_seed {config.protocol.split_seed}"

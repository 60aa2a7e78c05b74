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
from rnn_bench.tracking.availability import short_timeouts
from rnn_bench.tracking.recorded_run import RecordedRun
from rnn_bench.training.console import console

log = logging.getLogger("rnn_bench")


def record_audits(
    client: MlflowClient, runs: Sequence[RecordedRun], jobs_by_key: Mapping[str, Job]
) -> list[str]:
    """Audit each corpus of which a finished run has no audit, and record it with such runs. Log an
    error as a warning: the runs themselves are complete.

    `jobs_by_key` has the jobs by run key. Return a line for each corpus with faults.
    """
    found: dict[str, tuple[Job, list[RecordedRun]]] = {}  # job and runs by what is audited
    audited: dict[str, dict[str, CorpusAudit]] = {}  # by the corpus's name and the articles
    for run in runs:
        job = jobs_by_key.get(run.tags[schema.RUN_KEY])
        if job and run.row.info.status == "FINISHED":
            protocol = job.config.protocol
            key = repr((job.config.dataset, protocol.split_seed, protocol.tokens))
            found.setdefault(key, (job, []))[1].append(run)
    several_seeds = len({job.config.protocol.split_seed for job, _ in found.values()}) > 1
    names = _distinct_names([job.config.dataset for job, _ in found.values()])
    with short_timeouts():
        for name, (job, some) in zip(names, found.values(), strict=True):
            try:
                named = replace(_audit_of(job, some, name, client), corpus=name)
                audited.setdefault(name, {})[named.fingerprint] = named
            except Exception as error:
                of = ", ".join([name, *_split_of(job.config, several_seeds)])
                log.warning("There is no audit of %s: %s", of, describe(error))
    lines = []
    for name, audits in audited.items():
        try:
            lines.append(printable(findings(*audits.values())))
        except Exception as error:
            log.warning("The audit of %s is not summarized: %s", name, describe(error))
    return [line for line in lines if line]


def _audit_of(
    job: Job, runs: Sequence[RecordedRun], name: str, client: MlflowClient
) -> CorpusAudit:
    """Return the audit that is recorded with the runs of a corpus; if one has none, audit the
    corpus and record it there."""
    lacking = [run.id for run in runs if not _has_audit(client, run.id)]
    if not lacking:
        with runs[0].local_artifact(schema.AUDIT_FILE) as path:
            if path is None:
                raise DataError(f"{schema.AUDIT_FILE} of run {runs[0].id} cannot be found.")
            return CorpusAudit.from_json(path.read_bytes(), path)
    with console.status(escape(f"Auditing {name}")):
        audit = audit_corpus(job.config)
    for run_id in lacking:
        client.log_text(run_id, audit.to_json(), schema.AUDIT_FILE)
    return audit


def _distinct_names(datasets: Sequence[Any]) -> list[str]:
    """Return each dataset's name, with the settings in which those of one name differ, other than
    which split it is: `reviews (cleaning lower)`."""
    names = []
    for dataset in datasets:
        alike = [decisive_keys(other) for other in datasets if name_of(other) == name_of(dataset)]
        differing = [
            f"{key} {value}"
            for key, value in decisive_keys(dataset).items()
            if key not in SPLIT_KEYS and any(other.get(key) != value for other in alike)
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


def _has_audit(client: MlflowClient, run_id: str) -> bool:
    try:
        return any(file.path == schema.AUDIT_FILE for file in client.list_artifacts(run_id))
    except Exception as error:
        log.warning("The artifacts of run %s cannot be listed: %s", run_id, describe(error))
        return True

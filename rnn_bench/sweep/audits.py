"""Audits the corpora of a sweep at its end, and records the audits with its runs."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Run
from rich.markup import escape

from rnn_bench.config.composition import Job
from rnn_bench.config.dataset import SPLIT_KEYS
from rnn_bench.config.errors import describe, printable
from rnn_bench.config.options import decisive_keys, entry, name_of
from rnn_bench.config.schema import Config
from rnn_bench.data.audit import audit_corpus
from rnn_bench.data.audit.results import CorpusAudit
from rnn_bench.data.audit.summary import findings
from rnn_bench.tracking import schema
from rnn_bench.tracking.availability import short_timeouts
from rnn_bench.training.console import console

log = logging.getLogger("rnn_bench")


def record_audits(
    client: MlflowClient, runs: Sequence[Run], jobs_by_key: Mapping[str, Job]
) -> list[str]:
    """Audit each corpus once, and record the audit with each finished run that has none. Log an
    error as a warning: the runs themselves are complete.

    `jobs_by_key` has the jobs by run key. Return a line for each corpus with faults.
    """
    unaudited: dict[str, tuple[Job, list[str]]] = {}  # jobs and run ids by what is audited
    audited: dict[str, dict[str, CorpusAudit]] = {}  # by the corpus's name and the articles
    with short_timeouts():
        for run in runs:
            job, run_id = jobs_by_key.get(run.data.tags[schema.RUN_KEY]), run.info.run_id
            if job and run.info.status == "FINISHED" and not _has_audit(client, run_id):
                protocol = job.config.protocol
                key = repr((job.config.dataset, protocol.split_seed, protocol.tokens))
                unaudited.setdefault(key, (job, []))[1].append(run_id)
        several_seeds = len({job.config.protocol.split_seed for job, _ in unaudited.values()}) > 1
        names = _distinct_names([job.config.dataset for job, _ in unaudited.values()])
        for name, (job, run_ids) in zip(names, unaudited.values(), strict=True):
            try:
                with console.status(escape(f"Auditing {name}")):
                    audit = audit_corpus(job.config)
                for run_id in run_ids:
                    client.log_text(run_id, audit.to_json(), schema.AUDIT_FILE)
                named = replace(audit, corpus=name)
                audited.setdefault(name, {})[audit.fingerprint] = named
            except Exception as error:
                of = ", ".join([name, *_split_of(job.config, several_seeds)])
                log.warning("The audit of %s is not recorded: %s", of, describe(error))
    lines = []
    for name, audits in audited.items():
        try:
            lines.append(printable(findings(*audits.values())))
        except Exception as error:
            log.warning("The audit of %s is not summarized: %s", name, describe(error))
    return [line for line in lines if line]


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

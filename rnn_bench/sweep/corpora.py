"""Prepare the corpora of a sweep before it starts, and audit them at its end."""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from mlflow import MlflowClient
from mlflow.entities import Run

from rnn_bench.config.composition import Job
from rnn_bench.config.errors import describe
from rnn_bench.config.options import name_of
from rnn_bench.config.schema import Config
from rnn_bench.data.audit import audit_corpus
from rnn_bench.data.audit.summary import findings
from rnn_bench.data.corpora.study import MissingCorpus
from rnn_bench.data.encoding import EncodedCorpus, encoded_corpus
from rnn_bench.evaluation.transfer import transfer_corpora, transfer_split
from rnn_bench.tracking import schema
from rnn_bench.tracking.availability import short_timeouts
from rnn_bench.training.console import console

log = logging.getLogger("rnn_bench")

Encoded = TypeVar("Encoded")


def prepare_corpora(jobs: Sequence[Job]) -> list[EncodedCorpus]:
    """Encode the corpora that the runs are trained and tested on, each once for each protocol, and
    download those that are missing.

    Returns:
        the corpus that each job is trained on.

    Raises:
        UsageError: a corpus cannot be downloaded or read, or is unfit to train or test on.
    """
    done: list[tuple[object, EncodedCorpus]] = []
    corpora = []
    for job in jobs:
        config = job.config
        wanted = config.dataset, config.protocol, config.evaluation.transfer
        known = [corpus for setting, corpus in done if setting == wanted]
        if not known:
            known = [_prepare(config)]
            done.append((wanted, known[0]))
        corpora += known
    return corpora


def _prepare(config: Config) -> EncodedCorpus:
    corpus = _fetch_if_missing(partial(encoded_corpus, config), config)
    for other in transfer_corpora(config):
        _fetch_if_missing(partial(transfer_split, other, config, corpus), config)
    return corpus


def _fetch_if_missing(encode: Callable[[], Encoded], config: Config) -> Encoded:
    try:
        return encode()
    except MissingCorpus as missing:
        from rnn_bench.data.fetch import fetch

        log.info("%s", str(missing).splitlines()[0])
        fetch(missing.corpus, Path(config.data_dir))
        return encode()


def record_audits(
    client: MlflowClient, runs: Sequence[Run], questions: Mapping[str, Job]
) -> list[str]:
    """Audit each corpus once, and record the audit with each finished run that has none. An error
    is logged as a warning, because the runs themselves are complete.

    Args:
        questions: the jobs by run key.

    Returns:
        a line for each corpus that something is wrong with.
    """
    lacking: list[tuple[Job, list[str]]] = []
    lines = []
    with short_timeouts():
        for run in runs:
            job = questions.get(run.data.tags[schema.RUN_KEY])
            if job is None or run.info.status != "FINISHED" or _has_audit(client, run.info.run_id):
                continue
            for other, run_ids in lacking:
                if other.config.dataset == job.config.dataset:
                    run_ids.append(run.info.run_id)
                    break
            else:
                lacking.append((job, [run.info.run_id]))
        for job, run_ids in lacking:
            name = name_of(job.config.dataset)
            try:
                with console.status(f"Auditing {name}"):
                    audit = audit_corpus(job.config)
                for run_id in run_ids:
                    client.log_text(run_id, audit.to_json(), schema.AUDIT_FILE)
                lines.append(findings(audit))
            except Exception as error:
                log.warning("The audit of %s is not recorded: %s", name, describe(error))
    return [line for line in lines if line]


def _has_audit(client: MlflowClient, run_id: str) -> bool:
    try:
        return any(file.path == schema.AUDIT_FILE for file in client.list_artifacts(run_id))
    except Exception as error:
        log.warning("The artifacts of run %s cannot be listed: %s", run_id, describe(error))
        return True

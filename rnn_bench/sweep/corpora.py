"""The corpora of a sweep."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from mlflow import MlflowClient
from mlflow.entities import Run

from rnn_bench.config.composition import Job
from rnn_bench.config.errors import describe
from rnn_bench.config.options import name_of
from rnn_bench.config.schema import Config
from rnn_bench.data.audit import audited
from rnn_bench.data.audit.summary import findings
from rnn_bench.data.corpora.study import MissingCorpus
from rnn_bench.data.encoding import EncodedCorpus, encoded_corpus
from rnn_bench.evaluation.transfer import transfer_corpora, transfer_split
from rnn_bench.tracking.availability import short_timeouts
from rnn_bench.training.console import console

log = logging.getLogger("rnn_bench")

AUDIT = "audit.json"
Encoded = TypeVar("Encoded")


def prepare_corpora(jobs: Sequence[Job]) -> list[EncodedCorpus]:
    """Encode what each run reads, each corpus and setting once, the corpora of
    `evaluation.transfer` among it; fetch a corpus that is missing. Returns what each run is
    trained on.

    Raises:
        UsageError: a corpus cannot be had, or not be trained or tested on.
    """
    done: list[tuple[object, EncodedCorpus]] = []
    corpora = []
    for job in jobs:
        config = job.config
        wanted = config.dataset, config.protocol, config.evaluation.transfer
        known = [corpus for setting, corpus in done if setting == wanted]
        if not known:
            known = [_prepared(config)]
            done.append((wanted, known[0]))
        corpora += known
    return corpora


def _prepared(config: Config) -> EncodedCorpus:
    corpus = _fetching(lambda: encoded_corpus(config), config)
    for other in transfer_corpora(config):
        _fetching(lambda other=other: transfer_split(other, config, corpus), config)  # type: ignore[misc]
    return corpus


def _fetching(encode: Callable[[], Encoded], config: Config) -> Encoded:
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
    """Record `audit.json` with each finished run that lacks it; a corpus is audited once. What
    goes wrong is a warning, for the runs themselves are answered.

    `questions` are the jobs by the run key that each was to answer.

    Returns:
        a line for each corpus that something is wrong with.
    """
    lacking: list[tuple[Job, list[str]]] = []
    lines = []
    with short_timeouts():
        for run in runs:
            job = questions.get(run.data.tags["run_key"])
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
                    audit = audited(job.config)
                for run_id in run_ids:
                    client.log_dict(run_id, audit, AUDIT)
                lines.append(findings(audit))
            except Exception as error:
                log.warning("The audit of %s is not recorded: %s", name, describe(error))
    return [line for line in lines if line]


def _has_audit(client: MlflowClient, run_id: str) -> bool:
    try:
        return any(file.path == AUDIT for file in client.list_artifacts(run_id))
    except Exception as error:
        log.warning("The artifacts of run %s cannot be listed: %s", run_id, describe(error))
        return True

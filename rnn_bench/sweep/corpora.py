"""The corpora of a sweep."""

import logging
from collections.abc import Sequence
from pathlib import Path

from rnn_bench.config.composition import Job
from rnn_bench.data.encoding import EncodedCorpus, encoded_corpus
from rnn_bench.data.study import MissingCorpus

log = logging.getLogger("rnn_bench")


def prepare_corpora(jobs: Sequence[Job]) -> list[EncodedCorpus]:
    """Encode what each run reads, each corpus and setting once; fetch a corpus that is missing.

    Raises:
        UsageError: a corpus cannot be had, or not be trained on.
    """
    done: list[tuple[object, EncodedCorpus]] = []
    corpora = []
    for job in jobs:
        wanted = job.config.dataset, job.config.protocol
        known = [corpus for setting, corpus in done if setting == wanted]
        if not known:
            try:
                known = [encoded_corpus(job.config)]
            except MissingCorpus as missing:
                from rnn_bench.data.fetch import fetch

                log.info("%s", str(missing).splitlines()[0])
                fetch(job.config.dataset.corpus, Path(job.config.data_dir))
                known = [encoded_corpus(job.config)]
            done.append((wanted, known[0]))
        corpora += known
    return corpora

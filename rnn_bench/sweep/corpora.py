"""Prepares the corpora of a sweep before it starts."""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from rnn_bench.config.composition import Job
from rnn_bench.config.schema import Config
from rnn_bench.data.corpora.study import MissingCorpus
from rnn_bench.data.encoding import EncodedCorpus, encoded_corpus
from rnn_bench.evaluation.transfer import transfer_corpora, transfer_split

log = logging.getLogger("rnn_bench")

Encoded = TypeVar("Encoded")


def prepare_corpora(jobs: Sequence[Job]) -> list[EncodedCorpus]:
    """Encode the corpora that the runs are trained and tested on, each once for each protocol;
    download those that are missing. Return the corpus that each job is trained on.

    Raises:
        UsageError: a corpus cannot be downloaded or read, or is unfit to train or test on.
    """
    encoded: dict[str, EncodedCorpus] = {}
    corpora = []
    for config in [job.config for job in jobs]:
        setting = repr((config.dataset, config.protocol, config.evaluation.transfer))
        if setting not in encoded:
            corpus = _fetch_if_missing(partial(encoded_corpus, config), config)
            for other in transfer_corpora(config):
                _fetch_if_missing(partial(transfer_split, other, config, corpus), config)
            encoded[setting] = corpus
        corpora.append(encoded[setting])
    return corpora


def _fetch_if_missing(encode: Callable[[], Encoded], config: Config) -> Encoded:
    try:
        return encode()
    except MissingCorpus as missing:
        from rnn_bench.data.fetch import fetch

        log.info("%s", str(missing).splitlines()[0])
        fetch(missing.corpus, Path(config.data_dir))
        return encode()

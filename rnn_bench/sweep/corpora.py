"""The corpora of a sweep."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from rnn_bench.config.composition import Job
from rnn_bench.config.schemas import Config
from rnn_bench.data.encoding import EncodedCorpus, encoded_corpus
from rnn_bench.data.study import MissingCorpus
from rnn_bench.evaluation.transfer import transfer_corpora, transfer_split

log = logging.getLogger("rnn_bench")

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

"""Prepares the corpora of a sweep before it starts."""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from rnn_bench.config.composition import Job
from rnn_bench.config.options import entry
from rnn_bench.config.schema import Config
from rnn_bench.data.corpus import MissingCorpus
from rnn_bench.data.encoding import EncodedCorpus, encoded_corpus
from rnn_bench.evaluation.transfer import transfer_corpora, transfer_split

FEW_TOKENS = 2  # the most that the median text has where texts are hardly cut

log = logging.getLogger("rnn_bench")

Encoded = TypeVar("Encoded")


def prepare_corpora(jobs: Sequence[Job]) -> list[EncodedCorpus]:
    """Encode the corpora that the runs are trained and tested on, each once for each protocol;
    download those that are missing, but not for a plan. Return the corpus that each job is trained
    on.

    Raises:
        UsageError: a corpus cannot be downloaded or read, or is unfit to train or test on.
    """
    encoded: dict[str, EncodedCorpus] = {}
    of_options: dict[tuple[int, ...], EncodedCorpus] = {}  # which runs of a sweep may share
    short: dict[tuple[str, str], None] = {}  # corpora of few tokens, by name and kind of token
    corpora = []
    for config in [job.config for job in jobs]:
        all_tokens = entry(config.model, "all_tokens")
        options = (*map(id, (config.dataset, config.protocol, config.evaluation)), bool(all_tokens))
        if options not in of_options:
            transfer = config.evaluation.transfer
            setting = repr((config.dataset, config.protocol, transfer, all_tokens))
            if setting not in encoded:
                corpus = _fetch_if_missing(partial(encoded_corpus, config), config)
                if _has_few_tokens(corpus, config.protocol.tokens):
                    short[corpus.name, config.protocol.tokens] = None
                for other in transfer_corpora(config):
                    _fetch_if_missing(partial(transfer_split, other, config, corpus), config)
                encoded[setting] = corpus
            of_options[options] = encoded[setting]
        corpora.append(of_options[options])
    for name, kind in short:
        log.warning(
            "Half of the articles of %s have %d tokens or fewer with protocol.tokens=%s. If the "
            "texts have no spaces between words, set protocol.tokens=characters.",
            *(name, FEW_TOKENS, kind),
        )
    return corpora


def _has_few_tokens(corpus: EncodedCorpus, kind: str) -> bool:
    return kind != "characters" and int(corpus.train.lengths.median()) <= FEW_TOKENS


def _fetch_if_missing(encode: Callable[[], Encoded], config: Config) -> Encoded:
    try:
        return encode()
    except MissingCorpus as missing:
        if config.plan:
            raise
        log.info("%s", str(missing).splitlines()[0])
        missing.corpus.fetch()
        return encode()

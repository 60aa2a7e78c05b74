"""Encode the test articles of another corpus for a trained model, with the model's vocabulary."""

from dataclasses import replace
from pathlib import Path

import torch

from rnn_bench.config.dataset import Study
from rnn_bench.config.errors import UsageError
from rnn_bench.config.schema import Config
from rnn_bench.data.cache import CorpusReader, cache_folder, cached_encoding
from rnn_bench.data.corpora.study import CLASSES, StudyCorpus
from rnn_bench.data.encoding import ENCODING_VERSION, EncodedCorpus, Split, encode_split
from rnn_bench.data.fingerprint import digest
from rnn_bench.data.vocabulary import UNKNOWN, tokenize


def transfer_corpora(config: Config) -> list[str]:
    """Return the corpora of `evaluation.transfer`, each once, except the run's own."""
    own = config.dataset.corpus if isinstance(config.dataset, Study) else None
    return [name for name in dict.fromkeys(config.evaluation.transfer) if name != own]


def transfer_split(name: str, config: Config, corpus: EncodedCorpus) -> Split:
    """Return the test articles of the study corpus `name`, encoded with the vocabulary and the
    article length of a run on `corpus`.

    Labels are those of the classes of `corpus` with the same names. The encoding is cached, once
    for all runs with that vocabulary.

    Raises:
        UsageError: the two corpora's classes differ, or the cache folder cannot be written.
        MissingCorpus: the other corpus's files do not exist.
        DataError: they cannot be read, or are unfit.
    """
    if {*corpus.classes} != {*CLASSES}:
        raise UsageError(
            f"evaluation.transfer={config.evaluation.transfer} is not possible: {name} has the "
            f"classes {', '.join(CLASSES)}, and {corpus.name} has {', '.join(corpus.classes)}."
        )
    other = CorpusReader(StudyCorpus(name, Path(config.data_dir)), name)
    vocabulary, kind, limit = corpus.vocabulary, config.protocol.tokens, config.protocol.max_length

    def encode(texts: list[str], labels: list[int]) -> Split:
        return encode_split(tokenize(texts, kind), labels, vocabulary, limit)

    with cache_folder(config, "encoded") as folder:
        tensors, _ = cached_encoding(
            folder,
            key=digest([ENCODING_VERSION, other.key, vocabulary, kind, limit]),
            encode=lambda: (vars(encode(*other.articles.test)), {}),
        )
    split = Split(**tensors)
    own = torch.tensor([corpus.classes.index(each) for each in CLASSES])
    return replace(split, labels=own[split.labels])


def unknown_share(split: Split) -> float:
    """Return the share of tokens that are not in the vocabulary. An article without words counts
    as one such token."""
    return (split.tokens == UNKNOWN).double().mean().item()

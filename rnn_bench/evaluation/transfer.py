"""Encode the test articles of another corpus for a trained model, with the model's vocabulary."""

import json
from dataclasses import replace
from typing import Any

import torch

from rnn_bench.config.errors import UsageError
from rnn_bench.config.options import entry, name_of
from rnn_bench.config.schema import Config
from rnn_bench.data.cache import Encoded, cache_folder, cached_encoding, configured_corpus
from rnn_bench.data.corpus import DataError
from rnn_bench.data.encoding import ENCODING_VERSION, EncodedCorpus, Split, encode_split
from rnn_bench.data.fingerprint import digest
from rnn_bench.data.vocabulary import UNKNOWN, tokenize


def transfer_corpora(config: Config) -> list[str]:
    """Return the corpora of `evaluation.transfer`, each once, except the run's own."""
    others = config.evaluation.corpora
    return [
        name
        for name in dict.fromkeys(config.evaluation.transfer)
        if _corpus_of(others[name]) != _corpus_of(config.dataset)
    ]


def _corpus_of(option: Any) -> str:
    """Return which corpus an option of the group dataset is. Its name may be another."""
    return str(entry(option, "corpus") or name_of(option))


def transfer_split(name: str, config: Config, corpus: EncodedCorpus) -> Split:
    """Return the test articles of the corpus `name`, encoded with the vocabulary and the article
    length of a run on `corpus`.

    Labels are those of the classes of `corpus` with the same names. The encoding is cached, once
    for all runs with that vocabulary.

    Raises:
        UsageError: the two corpora's classes differ, or the cache folder cannot be written.
        MissingCorpus: the other corpus's files do not exist.
        DataError: they cannot be read, or are unfit.
    """
    other = configured_corpus(replace(config, dataset=config.evaluation.corpora[name]))
    vocabulary, protocol = corpus.vocabulary, config.protocol
    kind, limits = protocol.tokens, (protocol.max_length, protocol.truncation)

    def encode() -> Encoded:
        texts, labels = other.articles.test
        if not texts:
            raise DataError(f"{name} has no test articles to transfer to.")
        split = encode_split(tokenize(texts, kind), labels, vocabulary, *limits)
        return vars(split), {"classes": json.dumps(other.articles.classes)}

    with cache_folder(config, "encoded") as folder:
        tensors, metadata = cached_encoding(
            folder,
            key=digest([ENCODING_VERSION, "transfer", other.key, vocabulary, kind, *limits]),
            encode=encode,
        )
    split, classes = Split(**tensors), json.loads(metadata["classes"])
    if {*corpus.classes} != {*classes}:
        raise UsageError(
            f"evaluation.transfer=[{','.join(config.evaluation.transfer)}] is not possible: {name} "
            f"has the classes {', '.join(classes)}, and {corpus.name} has "
            f"{', '.join(corpus.classes)}."
        )
    own = torch.tensor([corpus.classes.index(each) for each in classes])
    return replace(split, labels=own[split.labels])


def unknown_share(split: Split) -> float:
    """Return the share of tokens that are not in the vocabulary. An article without words counts
    as one such token."""
    return (split.tokens == UNKNOWN).double().mean().item()

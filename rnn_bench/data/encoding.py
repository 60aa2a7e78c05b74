"""Encode a corpus: its articles become token ids, which are cached for each protocol."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from filelock import FileLock
from jaxtyping import Int
from torch import Tensor

from rnn_bench.config.options import entry
from rnn_bench.config.protocol import Protocol
from rnn_bench.config.schema import Config
from rnn_bench.data.cache import (
    Content,
    Encoded,
    cache_folder,
    cached_encoding,
    configured_corpus,
    known_content,
)
from rnn_bench.data.corpus import Articles, DataError
from rnn_bench.data.fingerprint import digest
from rnn_bench.data.splits import nested_part, split_validation
from rnn_bench.data.vocabulary import (
    UNKNOWN,
    Tokens,
    build_vocabulary,
    encode_tokens,
    tokenize,
)

# Raised when the same articles and protocol give other tokens, another vocabulary or other splits.
ENCODING_VERSION = 1
# Raised when a cached encoding has other parts, and must be made anew.
CACHE_LAYOUT = 2
# The protocol's keys that decide an encoding.
ENCODING_KEYS = (
    "vocabulary_source",
    "tokens",
    "max_length",
    "truncation",
    "validation_fraction",
    "validation_stratified",
    "split_seed",
)
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Split:
    """Articles as token ids, end to end: article i is tokens[offsets[i]:offsets[i + 1]]."""

    tokens: Int[Tensor, " tokens"]
    offsets: Int[Tensor, " articles_and_one"]
    labels: Int[Tensor, " articles"]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def lengths(self) -> Int[Tensor, " articles"]:
        """The number of tokens of each article."""
        return self.offsets.diff()

    def to(self, device: torch.device) -> "Split":
        """Return the split on a device."""
        return Split(self.tokens.to(device), self.offsets.to(device), self.labels.to(device))


@dataclass(frozen=True)
class EncodedCorpus:
    """A corpus's training, validation and test articles as token ids of one vocabulary.

    `truncated` has each split's share of articles that are longer than `protocol.max_length`.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    vocabulary: list[str]
    classes: tuple[str, ...]
    content: Content
    truncated: Mapping[str, float] = field(default_factory=dict)

    def to(self, device: torch.device) -> "EncodedCorpus":
        """Return the corpus with all splits on a device."""
        return replace(self, **{name: getattr(self, name).to(device) for name in SPLITS})

    def limited(self, size: int) -> "EncodedCorpus":
        """Return the corpus with a vocabulary of the first `size` tokens; others are unknown."""
        if len(self.vocabulary) <= size:
            return self
        splits: dict[str, Any] = {}
        for name in SPLITS:
            split: Split = getattr(self, name)
            tokens = split.tokens.where(split.tokens < size, UNKNOWN)
            splits[name] = replace(split, tokens=tokens)
        return replace(self, **splits, vocabulary=self.vocabulary[:size])


def encoded_corpus(config: Config) -> EncodedCorpus:
    """Return the config's corpus encoded by its protocol, from the cache or else encoded now.

    Processes that need the same encoding at the same time encode it once.

    Raises:
        DataError: the corpus cannot be read, or is too small to split.
        UsageError: the cache folder cannot be written.
    """
    reader, protocol = configured_corpus(config), config.protocol
    train_size = reader.splitting.train_size
    with cache_folder(config, "encoded") as folder, FileLock(folder / f"{reader.key}.lock"):
        content = known_content(folder, reader)
        settings = {key: getattr(protocol, key) for key in ENCODING_KEYS}
        tensors, metadata = cached_encoding(
            folder,
            key=digest([ENCODING_VERSION, CACHE_LAYOUT, content.fingerprint, settings, train_size]),
            encode=lambda: _encode(reader.articles, protocol, train_size),
        )
    parts = ("tokens", "offsets", "labels")
    splits = {name: Split(*(tensors[f"{name}.{part}"] for part in parts)) for name in SPLITS}
    corpus = EncodedCorpus(
        name=reader.name,
        **splits,
        vocabulary=json.loads(metadata["vocabulary"]),
        classes=tuple(json.loads(metadata["classes"])),
        content=content,
        truncated=json.loads(metadata["truncated"]),
    )
    return corpus if entry(config.model, "all_tokens") else corpus.limited(protocol.vocabulary_size)


def _encode(articles: Articles, protocol: Protocol, train_size: float) -> Encoded:
    texts, labels = articles.train
    if len(set(labels)) < 2:
        only = articles.classes[labels[0]] if labels else "none"
        raise DataError(f"The training articles have one class only, {only!r}.")
    if not articles.test[0]:
        raise DataError(
            "The corpus has no test articles. Cut it into folds (dataset.folds=10 dataset.fold=0), "
            "or draw a fifth of it (dataset.resample=0)."
        )
    if articles.validation is None:
        _require_two_of_each_class(articles, protocol)
        training, validation = split_validation(labels, protocol)
    else:
        training, validation = (
            [*range(len(texts))],
            [*range(len(texts), len(texts) + len(articles.validation[0]))],
        )
        texts, labels = texts + articles.validation[0], labels + articles.validation[1]
    training, validation = (
        nested_part(part, labels, train_size, protocol.split_seed)
        for part in (training, validation)
    )
    for missing in sorted({*range(len(articles.classes))} - {labels[i] for i in training}):
        raise DataError(
            f"The corpus is too small to split: no training article of the class "
            f"{articles.classes[missing]!r} is left beside the validation split."
        )
    splits = {"test": articles.test}
    for name, part in (("train", training), ("validation", validation)):
        splits[name] = [texts[i] for i in part], [labels[i] for i in part]
    tokens = {name: tokenize(split[0], protocol.tokens) for name, split in splits.items()}
    counted = tokens["train"]
    if protocol.vocabulary_source == "training_and_validation":  # in the order of the file
        both = [texts[i] for i in sorted([*training, *validation])]
        counted = tokenize(both, protocol.tokens)
    vocabulary = build_vocabulary(counted)
    tensors: dict[str, Tensor] = {}
    for name, (_, split_labels) in splits.items():
        split = encode_split(
            tokens[name], split_labels, vocabulary, protocol.max_length, protocol.truncation
        )
        tensors |= {f"{name}.{part}": tensor for part, tensor in vars(split).items()}
    truncated = {
        name: float((tokens[name].lengths > protocol.max_length).mean()) for name in SPLITS
    }
    metadata = {"vocabulary": vocabulary, "classes": articles.classes, "truncated": truncated}
    return tensors, {name: json.dumps(value) for name, value in metadata.items()}


def _require_two_of_each_class(articles: Articles, protocol: Protocol) -> None:
    rarest, count = min(Counter(articles.train[1]).items(), key=lambda each: each[1])
    if protocol.validation_stratified and count < 2:
        raise DataError(
            f"The class {articles.classes[rarest]!r} has one training article, and the validation "
            "split needs one of each class too. Add articles of the class, or leave it out; or "
            "split without regard to classes: protocol.validation_stratified=false."
        )


def encode_split(
    tokens: Tokens,
    labels: list[int],
    vocabulary: list[str],
    max_length: int,
    truncation: str,
) -> Split:
    """Return at most `max_length` tokens of each text as ids of the vocabulary."""
    ids, offsets = encode_tokens(tokens, vocabulary, max_length, truncation)
    return Split(
        torch.from_numpy(ids), torch.from_numpy(offsets), torch.tensor(labels, dtype=torch.int64)
    )

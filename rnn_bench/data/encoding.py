"""Encode a corpus: its articles become token ids, which are cached for each protocol."""

import json
from dataclasses import dataclass, replace

import torch
from filelock import FileLock
from jaxtyping import Int
from torch import Tensor

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
from rnn_bench.data.splits import split_validation
from rnn_bench.data.vocabulary import build_vocabulary, encode_texts

# Raised when the same articles and protocol give other tokens, another vocabulary or other splits.
ENCODING_VERSION = 1
# The protocol's keys that decide an encoding.
ENCODING_KEYS = (
    "vocabulary_size",
    "vocabulary_source",
    "max_length",
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
    """A corpus's training, validation and test articles as token ids of one vocabulary."""

    name: str
    train: Split
    validation: Split
    test: Split
    vocabulary: list[str]
    classes: tuple[str, ...]
    content: Content

    def to(self, device: torch.device) -> "EncodedCorpus":
        """Return the corpus with all splits on a device."""
        return replace(self, **{name: getattr(self, name).to(device) for name in SPLITS})


def encoded_corpus(config: Config) -> EncodedCorpus:
    """Return the config's corpus encoded by its protocol, from the cache or else encoded now.

    Processes that need the same encoding at the same time encode it once.

    Raises:
        DataError: the corpus cannot be read, or is too small to split.
        UsageError: the cache folder cannot be written.
    """
    reader, protocol = configured_corpus(config), config.protocol
    with cache_folder(config, "encoded") as folder, FileLock(folder / f"{reader.key}.lock"):
        content = known_content(folder, reader)
        settings = {key: getattr(protocol, key) for key in ENCODING_KEYS}
        tensors, metadata = cached_encoding(
            folder,
            key=digest([ENCODING_VERSION, content.fingerprint, settings]),
            encode=lambda: _encode(reader.articles, protocol),
        )
    parts = ("tokens", "offsets", "labels")
    splits = {name: Split(*(tensors[f"{name}.{part}"] for part in parts)) for name in SPLITS}
    return EncodedCorpus(
        name=reader.name,
        **splits,
        vocabulary=json.loads(metadata["vocabulary"]),
        classes=tuple(json.loads(metadata["classes"])),
        content=content,
    )


def _encode(articles: Articles, protocol: Protocol) -> Encoded:
    texts, labels = articles.train
    if len(set(labels)) < 2:
        only = articles.classes[labels[0]] if labels else "none"
        raise DataError(f"The training articles have one class only, {only!r}.")
    if not articles.test[0]:
        raise DataError("The corpus has no test articles.")
    training, validation = split_validation(labels, protocol)
    for missing in sorted({*range(len(articles.classes))} - {labels[i] for i in training}):
        raise DataError(
            f"The corpus is too small to split: no training article of the class "
            f"{articles.classes[missing]!r} is left beside the validation split."
        )
    counted = [texts[i] for i in training] if protocol.vocabulary_source == "training" else texts
    vocabulary = build_vocabulary(counted, protocol.vocabulary_size)
    splits = {"test": articles.test}
    for name, part in (("train", training), ("validation", validation)):
        splits[name] = [texts[i] for i in part], [labels[i] for i in part]
    tensors: dict[str, Tensor] = {}
    for name, (split_texts, split_labels) in splits.items():
        split = encode_split(split_texts, split_labels, vocabulary, protocol.max_length)
        tensors |= {f"{name}.{part}": tensor for part, tensor in vars(split).items()}
    words, classes = json.dumps(vocabulary), json.dumps(articles.classes)
    return tensors, {"vocabulary": words, "classes": classes}


def encode_split(
    texts: list[str], labels: list[int], vocabulary: list[str], max_length: int
) -> Split:
    """Return the first `max_length` tokens of each text as ids of the vocabulary."""
    tokens, offsets = encode_texts(texts, vocabulary, max_length)
    return Split(
        torch.from_numpy(tokens), torch.from_numpy(offsets), torch.tensor(labels, dtype=torch.int64)
    )

"""A corpus encoded once for each setting, and kept in a cache that a run maps into memory."""

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from jaxtyping import Int
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from rnn_bench.config.options import build, name_of
from rnn_bench.config.protocol import Protocol
from rnn_bench.config.schema import Config
from rnn_bench.data.cache import cache_folder
from rnn_bench.data.corpus import Articles, Corpus, DataError, readable
from rnn_bench.data.fingerprint import content_fingerprint, digest, sources
from rnn_bench.data.splits import split_validation
from rnn_bench.data.vocabulary import build_vocabulary, encode_texts

# The protocol's keys that decide an encoding.
ENCODING_KEYS = (
    "vocabulary_size",
    "vocabulary_source",
    "max_length",
    "validation_fraction",
    "validation_stratified",
    "split_seed",
)


@dataclass(frozen=True)
class Split:
    """Articles as token ids, end to end; article i is tokens[offsets[i]:offsets[i + 1]]."""

    tokens: Int[Tensor, " tokens"]
    offsets: Int[Tensor, " articles_and_one"]
    labels: Int[Tensor, " articles"]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def lengths(self) -> Int[Tensor, " articles"]:
        return self.offsets.diff()

    def to(self, device: torch.device) -> "Split":
        return Split(self.tokens.to(device), self.offsets.to(device), self.labels.to(device))


@dataclass(frozen=True)
class Content:
    """What a corpus's prepared articles are: a hash of texts and labels in order, and their
    edition (published, other or sample)."""

    fingerprint: str
    edition: str


@dataclass(frozen=True)
class EncodedCorpus:
    """The three splits of a corpus under one vocabulary.

    `cleaning` is the corpus's `text_cleaning`."""

    name: str
    train: Split
    validation: Split
    test: Split
    vocabulary: list[str]
    classes: tuple[str, ...]
    content: Content
    cleaning: str = "none"

    def to(self, device: torch.device) -> "EncodedCorpus":
        splits = {name: getattr(self, name).to(device) for name in ("train", "validation", "test")}
        return replace(self, **splits)


def encoded_corpus(config: Config) -> EncodedCorpus:
    """The config's corpus under its protocol, from the cache or encoded into it.

    Processes that need the same encoding at the same time do the work once.

    Raises:
        DataError: the corpus cannot be read, or is too small to split.
        UsageError: the cache folder cannot be written.
    """
    protocol, name = config.protocol, name_of(config.dataset)
    corpus: Corpus = build(config.dataset, data_dir=Path(config.data_dir))
    code = digest(sources(["data"], [type(corpus)]))
    with cache_folder(config) as cache:
        with readable(name):
            identity = corpus.identity()
        known = digest([code, type(corpus).__module__, type(corpus).__qualname__, identity])
        read = _once(corpus, name)
        with FileLock(cache / f"{known}.lock"):
            content = None if identity is None else _known_content(cache / f"{known}.json")
            if content is None:
                content = Content(content_fingerprint(read()), read().edition)
                if identity is not None:
                    _replace(cache / f"{known}.json", json.dumps(asdict(content)).encode())
            settings = {key: getattr(protocol, key) for key in ENCODING_KEYS}
            key = digest([code, content.fingerprint, settings])
            path = cache / f"{key}.safetensors"
            with FileLock(f"{path}.lock"):
                encoded = _load(path, key, name, content)
                if encoded is None:
                    _save(_encode(read(), protocol), key, path)
                    encoded = _load(path, key, name, content)
    assert encoded is not None
    return replace(encoded, cleaning=corpus.text_cleaning())


def _once(corpus: Corpus, name: str) -> Callable[[], Articles]:
    kept: list[Articles] = []

    def articles() -> Articles:
        if not kept:
            with readable(name):
                kept.append(corpus.read())
        return kept[0]

    return articles


def _known_content(path: Path) -> Content | None:
    """What is known of the articles; None if nothing is, or the file is damaged."""
    try:
        return Content(**json.loads(path.read_bytes()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _replace(path: Path, content: bytes) -> None:
    part = path.with_suffix(f".{os.getpid()}.part")
    part.write_bytes(content)
    part.replace(path)


def _encode(articles: Articles, protocol: Protocol) -> tuple[dict[str, Tensor], dict[str, Any]]:
    texts, labels = articles.train
    if len(set(labels)) < 2:
        only = articles.classes[labels[0]] if labels else "none"
        raise DataError(f"The training articles have one class only, {only!r}.")
    if not articles.test[0]:
        raise DataError("The corpus has no test articles.")
    training, validation = split_validation(labels, protocol)
    for lacking in sorted({*range(len(articles.classes))} - {labels[i] for i in training}):
        raise DataError(
            f"The corpus is too small to split: no training article of the class "
            f"{articles.classes[lacking]!r} is left beside the validation split."
        )
    counted = [texts[i] for i in training] if protocol.vocabulary_source == "training" else texts
    vocabulary = build_vocabulary(counted, protocol.vocabulary_size)
    splits = {
        "train": ([texts[i] for i in training], [labels[i] for i in training]),
        "validation": ([texts[i] for i in validation], [labels[i] for i in validation]),
        "test": articles.test,
    }
    tensors = {}
    for name, (split_texts, split_labels) in splits.items():
        tokens, offsets = encode_texts(split_texts, vocabulary, protocol.max_length)
        tensors[f"{name}.tokens"] = torch.from_numpy(tokens)
        tensors[f"{name}.offsets"] = torch.from_numpy(offsets)
        tensors[f"{name}.labels"] = torch.tensor(split_labels)
    return tensors, {
        "vocabulary": vocabulary,
        "classes": articles.classes,
    }


def _save(encoded: tuple[dict[str, Tensor], dict[str, Any]], key: str, path: Path) -> None:
    tensors, facts = encoded
    words = json.dumps({**facts, "key": key}).encode()
    tensors["facts"] = torch.from_numpy(np.frombuffer(words, dtype=np.uint8).copy())
    part = path.with_suffix(".part")
    save_file(tensors, part)
    part.replace(path)


def _load(path: Path, key: str, name: str, content: Content) -> EncodedCorpus | None:
    """The cached encoding; None if there is none, or the file is not that one."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            parts = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        splits = {
            split: Split(*(parts[f"{split}.{part}"] for part in ("tokens", "offsets", "labels")))
            for split in ("train", "validation", "test")
        }
        facts = json.loads(parts["facts"].numpy().tobytes())
        if facts["key"] != key:
            return None
        return EncodedCorpus(
            name=name,
            train=splits["train"],
            validation=splits["validation"],
            test=splits["test"],
            vocabulary=facts["vocabulary"],
            classes=tuple(facts["classes"]),
            content=content,
        )
    except (SafetensorError, KeyError, ValueError):
        return None

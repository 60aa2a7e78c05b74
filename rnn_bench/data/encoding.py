"""A corpus encoded once for each setting, and kept in a cache that a run maps into memory."""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from jaxtyping import Int
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from rnn_bench.config import Config, Protocol, UsageError, build, name_of
from rnn_bench.data.corpus import Articles, Corpus, DataError
from rnn_bench.data.vocabulary import build_vocabulary, encode_texts

FORMAT = 1  # raised whenever encoding the same articles gives another result


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
class EncodedCorpus:
    """The three splits of a corpus under one vocabulary.

    `fingerprint` is a hash of the prepared texts and labels in order.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    vocabulary: list[str]
    classes: tuple[str, ...]
    edition: str
    fingerprint: str

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
    protocol, cache = config.protocol, Path(config.cache_dir) / "encoded"
    corpus: Corpus = build(config.dataset, data_dir=Path(config.data_dir))
    try:
        cache.mkdir(parents=True, exist_ok=True)
        articles = _once(corpus.read)
        fingerprint = _cached_fingerprint(corpus, articles, cache)
        settings = {
            "vocabulary_size": protocol.vocabulary_size,
            "vocabulary_source": protocol.vocabulary_source,
            "max_length": protocol.max_length,
            "validation_fraction": protocol.validation_fraction,
            "validation_stratified": protocol.validation_stratified,
            "split_seed": protocol.split_seed,
        }
        path = cache / f"{digest([FORMAT, fingerprint, settings])}.safetensors"
        with FileLock(f"{path}.lock"):
            encoded = _load(path, name_of(config.dataset))
            if encoded is None:
                _save(_encode(articles(), protocol), fingerprint, path)
                encoded = _load(path, name_of(config.dataset))
    except OSError as error:
        raise UsageError(
            f"cache_dir={config.cache_dir} cannot be used: {error.strerror or error}. "
            "Choose another with cache_dir=..."
        ) from error
    assert encoded is not None
    return encoded


def digest(value: Any) -> str:
    """A hash of anything that JSON can write; the order of keys plays no part."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]


def content_fingerprint(articles: Articles) -> str:
    """A hash of the texts and labels in order."""
    content = hashlib.sha256(json.dumps(articles.classes).encode())
    for texts, labels in (articles.train, articles.test):
        for text, label in zip(texts, labels, strict=True):
            content.update(f"\n{label} {len(text)} ".encode())
            content.update(text.encode("utf-8", "surrogatepass"))
        content.update(b"\n--")
    return content.hexdigest()[:32]


def _once(read: Callable[[], Articles]) -> Callable[[], Articles]:
    kept: list[Articles] = []

    def articles() -> Articles:
        if not kept:
            kept.append(read())
        return kept[0]

    return articles


def _cached_fingerprint(corpus: Corpus, articles: Callable[[], Articles], cache: Path) -> str:
    identity = corpus.identity()
    if identity is None:
        return content_fingerprint(articles())
    path = cache / f"{digest([FORMAT, type(corpus).__qualname__, identity])}.fingerprint"
    if path.is_file() and len(known := path.read_text()) == 32:
        return known
    fingerprint = content_fingerprint(articles())
    part = path.with_suffix(f".{os.getpid()}.part")
    part.write_text(fingerprint)
    part.replace(path)
    return fingerprint


def split_validation(labels: list[int], protocol: Protocol) -> tuple[list[int], list[int]]:
    """Positions of the training and of the validation articles in the training file.

    Not stratified, it is torch's `random_split` with a generator of `split_seed`, the size of
    validation rounded down.

    Raises:
        DataError: a side would be empty or lack a class.
    """
    count, size = len(labels), int(len(labels) * protocol.validation_fraction)
    too_small = DataError(
        f"The corpus is too small to split: of {count} training articles, {size} would be "
        f"validation (protocol.validation_fraction={protocol.validation_fraction})."
    )
    if not 0 < size < count:
        raise too_small
    if not protocol.validation_stratified:
        generator = torch.Generator().manual_seed(protocol.split_seed)
        order = torch.randperm(count, generator=generator).tolist()
        return order[: count - size], order[count - size :]
    from sklearn.model_selection import train_test_split

    try:
        training, validation = train_test_split(
            range(count), test_size=size, random_state=protocol.split_seed, stratify=labels
        )
    except ValueError:
        raise too_small from None
    return training, validation


def _encode(articles: Articles, protocol: Protocol) -> tuple[dict[str, Tensor], dict[str, Any]]:
    texts, labels = articles.train
    if len(set(labels)) < 2:
        only = articles.classes[labels[0]] if labels else "none"
        raise DataError(f"The training articles have one class only, {only!r}.")
    if not articles.test[0]:
        raise DataError("The corpus has no test articles.")
    training, validation = split_validation(labels, protocol)
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
        "edition": articles.edition,
    }


def _save(encoded: tuple[dict[str, Tensor], dict[str, Any]], fingerprint: str, path: Path) -> None:
    tensors, facts = encoded
    words = json.dumps({**facts, "fingerprint": fingerprint}).encode()
    tensors["facts"] = torch.from_numpy(np.frombuffer(words, dtype=np.uint8).copy())
    part = path.with_suffix(".part")
    save_file(tensors, part)
    part.replace(path)


def _load(path: Path, name: str) -> EncodedCorpus | None:
    """The cached encoding; None if there is none, or the file is not one."""
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
        return EncodedCorpus(
            name=name,
            train=splits["train"],
            validation=splits["validation"],
            test=splits["test"],
            vocabulary=facts["vocabulary"],
            classes=tuple(facts["classes"]),
            edition=facts["edition"],
            fingerprint=facts["fingerprint"],
        )
    except (SafetensorError, KeyError, ValueError):
        return None

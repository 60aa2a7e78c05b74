"""Keep in files what is computed once of a corpus, shared between processes."""

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from filelock import FileLock
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from rnn_bench.config.dataset import Dataset, Splitting
from rnn_bench.config.errors import UsageError
from rnn_bench.config.options import build, name_of
from rnn_bench.config.schema import Config
from rnn_bench.data.corpus import Articles, Corpus, DataError
from rnn_bench.data.fingerprint import code_hash, content_fingerprint, digest
from rnn_bench.data.splits import resplit
from rnn_bench.files import replaced_atomically

log = logging.getLogger(__name__)

Encoded = tuple[dict[str, Tensor], dict[str, str]]  # tensors and metadata


@contextmanager
def cache_folder(config: Config, name: str) -> Iterator[Path]:
    """Give the folder `name` of the cache, made if it is missing.

    Raises:
        UsageError: the folder, or a file in it that the block uses, cannot be read or written.
    """
    folder = Path(config.cache_dir) / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(
            f"cache_dir={config.cache_dir} cannot be used: {reason}. "
            "Choose another with cache_dir=..."
        ) from error


@dataclass(frozen=True)
class Content:
    """What a run must know of a corpus beside its articles.

    Attributes:
        fingerprint: a hash of the prepared texts and labels in order.
        edition: as of `Articles`.
        cleaning: the name in CLEANINGS of what was done to every text.
        ceiling: the best possible accuracy on the test articles, as of `Articles`.
    """

    fingerprint: str
    edition: str
    cleaning: str = "none"
    ceiling: float | None = None


class CorpusReader:
    """A corpus whose articles are read at their first use, and only once.

    Its properties raise DataError if the corpus cannot be read or is unfit.
    """

    def __init__(
        self, corpus: Corpus, name: str, splitting: Splitting | None = None, split_seed: int = 0
    ) -> None:
        self.corpus, self.name = corpus, name
        self.splitting, self.split_seed = splitting or Splitting(), split_seed

    @cached_property
    def articles(self) -> Articles:
        with self._readable():
            read = self.corpus.read()
        return resplit(read, self.splitting, self.split_seed)

    @cached_property
    def content(self) -> Content:
        """What a run must know beside the articles, which are read for it."""
        read = self.articles
        return Content(content_fingerprint(read), read.edition, read.cleaning, read.ceiling)

    @cached_property
    def key(self) -> str:
        """A hash of what decides the articles: the class, its version, a user's own code, how they
        are split, and `identity()` or, where there is none, the articles themselves."""
        kind, how = type(self.corpus), self.splitting
        redrawn = [how.folds, how.fold, how.resample, self.split_seed] if how.redraws else []
        with self._readable():
            identity = self.corpus.identity()
        return digest(
            [
                *(kind.__module__, kind.__qualname__, kind.version, code_hash(kind)),
                asdict(self.content) if identity is None else identity,
                *redrawn,
            ]
        )

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except MemoryError as error:
            raise DataError(f"The corpus {self.name} does not fit into memory.") from error
        except OSError as error:
            what = error.filename or f"The corpus {self.name}"
            raise DataError(f"{what} cannot be read: {error.strerror or error}.") from error


def configured_corpus(config: Config) -> CorpusReader:
    """Return the config's corpus, not yet read."""
    corpus: Corpus = build(
        config.dataset, without=Dataset.of_the_group, data_dir=Path(config.data_dir)
    )
    splitting, seed = Splitting.of(config.dataset), config.protocol.split_seed
    return CorpusReader(corpus, name_of(config.dataset), splitting, seed)


def known_content(folder: Path, reader: CorpusReader) -> Content:
    """Return the corpus's content from the cache, or else from reading its articles."""
    path = folder / f"{reader.key}.json"
    try:
        known = json.loads(path.read_bytes())
        content = Content(**known["content"])
        if known["hash"] == digest(asdict(content)):
            return content
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        pass  # there is none, or it is damaged
    sealed = {"content": asdict(reader.content), "hash": digest(asdict(reader.content))}
    with replaced_atomically(path) as part:
        part.write_text(json.dumps(sealed), encoding="utf-8")
    return reader.content


def cached_encoding(folder: Path, key: str, encode: Callable[[], Encoded]) -> Encoded:
    """Return the encoding with this key, mapped into memory, from the cache or else computed and
    cached. Processes that need it at the same time encode it once."""
    path = folder / f"{key}.safetensors"
    with FileLock(f"{path}.lock"):
        found = _load(path, key)
        if found is None:
            tensors, metadata = encode()
            with replaced_atomically(path) as part:
                sealed = {**metadata, "key": key}
                save_file(tensors, part, {**sealed, "hash": _hash(tensors, sealed)})
            found = _load(path, key)
    assert found is not None
    return found


def _load(path: Path, key: str) -> Encoded | None:
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError:
        return None
    seal = metadata.pop("hash", None)
    if seal != _hash(tensors, metadata):
        log.warning("%s is damaged; the corpus is encoded anew.", path)
        return None
    return (tensors, metadata) if metadata.pop("key", None) == key else None


def _hash(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    """Return a hash of an encoding, by which damage is noticed."""
    content = hashlib.sha256(digest(metadata).encode())
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        content.update(f"{name} {tensor.dtype} {[*tensor.shape]}".encode())
        content.update(tensor.numpy().data)
    return content.hexdigest()

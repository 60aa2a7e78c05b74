"""Another corpus's test articles, as a finished model reads them: with its own vocabulary."""

from dataclasses import replace
from pathlib import Path

import torch
from filelock import FileLock
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from rnn_bench.config.dataset import Study
from rnn_bench.config.errors import UsageError
from rnn_bench.config.schema import Config
from rnn_bench.data.cache import cache_folder
from rnn_bench.data.corpora.study import CLASSES, StudyCorpus
from rnn_bench.data.corpus import readable
from rnn_bench.data.encoding import EncodedCorpus, Split
from rnn_bench.data.fingerprint import digest, sources
from rnn_bench.data.vocabulary import UNKNOWN, encode_texts


def transfer_corpora(config: Config) -> list[str]:
    """The corpora of `evaluation.transfer`, each once, without the run's own."""
    own = config.dataset.corpus if isinstance(config.dataset, Study) else None
    return [name for name in dict.fromkeys(config.evaluation.transfer) if name != own]


def transfer_split(name: str, config: Config, corpus: EncodedCorpus) -> Split:
    """The test articles of a study corpus, encoded with the vocabulary and article length of the
    run that `corpus` is read by; labels are those of its classes that have the same names.

    It comes from the cache or is encoded into it, once for all runs with that vocabulary.

    Raises:
        UsageError: the two corpora's classes differ, or the cache folder cannot be written.
        MissingCorpus: the other corpus's files are not there.
        DataError: they cannot be read, or are unfit.
    """
    if {*corpus.classes} != {*CLASSES}:
        raise UsageError(
            f"evaluation.transfer={config.evaluation.transfer} is not possible: {name} has the "
            f"classes {', '.join(CLASSES)}, and {corpus.name} has {', '.join(corpus.classes)}."
        )
    other, max_length = StudyCorpus(name, Path(config.data_dir)), config.protocol.max_length
    with cache_folder(config) as cache:
        with readable(name):
            identity = other.identity()
        key = digest([sources(["data"], []), identity, corpus.vocabulary, max_length])
        path = cache / f"{key}.safetensors"
        with FileLock(f"{path}.lock"):
            try:
                split = Split(**load_file(path))
            except (FileNotFoundError, SafetensorError, TypeError):
                with readable(name):
                    texts, labels = other.read().test
                tokens, offsets = map(
                    torch.from_numpy, encode_texts(texts, corpus.vocabulary, max_length)
                )
                split = Split(tokens, offsets, torch.tensor(labels))
                part = path.with_suffix(".part")
                save_file(vars(split), part)
                part.replace(path)
    own = torch.tensor([corpus.classes.index(each) for each in CLASSES])
    return replace(split, labels=own[split.labels])


def unknown_share(split: Split) -> float:
    """Share of the tokens read that are not in the vocabulary; an article without words counts
    as one such token."""
    return (split.tokens == UNKNOWN).double().mean().item()

"""A trained model that takes raw text, which it cleans and encodes as the run's test articles."""

import math
import os
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import platformdirs
import torch
from jaxtyping import Float
from torch import Tensor, nn

from rnn_bench.config.errors import UsageError, describe
from rnn_bench.config.model import Recurrent
from rnn_bench.config.options import as_before
from rnn_bench.config.protocol import Protocol
from rnn_bench.config.schema import Config
from rnn_bench.data.cleaning import CLEANINGS
from rnn_bench.data.encoding import encode_split
from rnn_bench.data.vocabulary import tokenize
from rnn_bench.evaluation.predictions import probabilities
from rnn_bench.models.kernels.choice import fused_kernel
from rnn_bench.models.kernels.fused import FusedKernel
from rnn_bench.models.recurrent import RecurrentClassifier
from rnn_bench.models.weights import load_weights
from rnn_bench.serving.model_files import Settings, Vocabulary, read_settings, read_vocabulary
from rnn_bench.serving.trust import Untrusted, build_trusted
from rnn_bench.tracking import schema
from rnn_bench.tracking.model_folder import SETTINGS
from rnn_bench.training.device import cores
from rnn_bench.training.prediction import predict

CHUNK_SIZE = 1024  # texts that a core classifies at a time; more where a batch is larger


@dataclass(frozen=True)
class TextClassifier:
    """A model on the CPU, and everything else that its answer to a text depends on."""

    model: nn.Module
    protocol: Protocol
    clean: Callable[[str], str]
    vocabulary: list[str]
    classes: list[str]

    @classmethod
    def load(cls, folder: Path, trusted: Collection[str] = ()) -> "TextClassifier":
        """Load the `model` folder of a run.

        Args:
            trusted: modules of the user's own, whose classes the model may be made of.

        Raises:
            Untrusted: the model is made of classes that are not trusted.
            UsageError: a file is missing or damaged.
        """
        settings, vocabulary = read_settings(folder), read_vocabulary(folder)
        model, protocol = build_stored(settings, vocabulary, trusted)
        described_by = f"{SETTINGS} and {schema.VOCABULARY_FILE}"
        load_weights(model, folder / schema.WEIGHTS_FILE, described_by)
        clean = CLEANINGS[settings.cleaning]
        return cls(model, protocol, clean, vocabulary.words, vocabulary.classes)

    def probabilities(self, texts: Sequence[str]) -> Float[Tensor, "texts classes"]:
        """Return the probability of each class for each text, in order; NaN if the model diverged.

        With readout `padded_end` the answer to a text depends on the texts of its batch. So
        batches have this order and the protocol's batch size, as those of the test articles had.

        Many texts are cut into chunks of whole batches, which cores classify in parallel, with one
        thread of torch each. Threads that share a chunk would wait for each other at every step.
        """
        size = self.protocol.batch_size * math.ceil(CHUNK_SIZE / self.protocol.batch_size)
        chunks = [texts[start : start + size] for start in range(0, len(texts), size)]
        if len(chunks) < 2:
            return self._classify(texts)
        with ThreadPoolExecutor(cores()) as threads:
            return torch.cat(list(threads.map(self._classify, chunks)))

    def _classify(self, texts: Sequence[str]) -> Float[Tensor, "texts classes"]:
        protocol = self.protocol
        tokens = tokenize([self.clean(text) for text in texts], protocol.tokens)
        limits = protocol.max_length, protocol.truncation
        split = encode_split(tokens, [0] * len(texts), self.vocabulary, *limits)  # no labels
        return probabilities(predict(self.model, split, protocol))

    def labels(self, probabilities: Float[Tensor, "texts classes"]) -> list[str]:
        """Return the most probable class of each text."""
        return [self.classes[index] for index in probabilities.argmax(1)]


def build_stored(
    settings: Settings, vocabulary: Vocabulary, trusted: Collection[str]
) -> tuple[nn.Module, Protocol]:
    """Build the model that a model folder describes, and return it with its protocol.

    Raises:
        Untrusted: it is made of classes that are not trusted.
        UsageError: a setting is not possible.
    """
    try:
        protocol = Protocol(**asdict(settings.protocol))
        if settings.model["_target_"] == Recurrent._target_:
            # A million layers would be built for minutes. The cell may be anybody's code.
            recurrent_option({**settings.model, "cell": "gru"})
        model = build_trusted(
            settings.model,
            trusted,
            vocabulary_size=len(vocabulary.words),
            classes=len(vocabulary.classes),
            readout=protocol.readout,
        )
        if isinstance(model, RecurrentClassifier):
            model.fused = find_kernel(settings.model, protocol)
    except Untrusted:
        raise
    except UsageError as error:
        raise UsageError(f"{SETTINGS}: {error}") from error
    except Exception as error:  # of torch, or of a user's class, for keys that it does not take
        raise UsageError(f"{SETTINGS} describes no model: {describe(error)}") from error
    return model, protocol


def recurrent_option(stored: dict[str, Any]) -> Recurrent:
    """Return the stored keys of a recurrent network as its option, which checks their ranges."""
    return Recurrent(**{**as_before(Recurrent), **stored})


def find_kernel(option: dict[str, Any], protocol: Protocol) -> FusedKernel | None:
    """Return the fused kernel if it can compute the model and is faster on this machine.

    It need not be what computed the run.
    """
    cache = os.environ.get("RNN_BENCH_CACHE")
    config = Config(
        model=recurrent_option(option),
        protocol=protocol,
        cache_dir=cache or platformdirs.user_cache_dir("rnn_bench", appauthor=False),
    )
    return fused_kernel(config, torch.device("cpu"))

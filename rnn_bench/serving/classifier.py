"""A trained model that takes raw text, which it cleans and encodes as the run's test articles."""

import json
import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs
import torch
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor, nn

from rnn_bench.config.model import Recurrent
from rnn_bench.config.options import as_before, build
from rnn_bench.config.protocol import Protocol
from rnn_bench.config.schema import Config
from rnn_bench.data.cleaning import CLEANINGS
from rnn_bench.data.encoding import encode_split
from rnn_bench.data.vocabulary import tokenize
from rnn_bench.evaluation.predictions import probabilities
from rnn_bench.models.kernels.choice import fused_kernel
from rnn_bench.models.kernels.fused import FusedKernel
from rnn_bench.models.recurrent import RecurrentClassifier
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
    def load(cls, folder: Path) -> "TextClassifier":
        """Load the `model` folder of a run.

        Raises:
            ConfigError: the model's class is the user's own, and cannot be imported here.
        """
        settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        words = json.loads((folder / schema.VOCABULARY_FILE).read_text(encoding="utf-8"))
        protocol = Protocol(**{**as_before(Protocol), **settings["protocol"]})
        model = build(
            settings["model"],
            vocabulary_size=len(words["words"]),
            classes=len(words["classes"]),
            readout=protocol.readout,
        )
        model.load_state_dict(load_file(folder / schema.WEIGHTS_FILE))
        if isinstance(model, RecurrentClassifier):
            model.fused = find_kernel(settings["model"], protocol)
        clean = CLEANINGS[settings["cleaning"]]
        return cls(model, protocol, clean, words["words"], words["classes"])

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
        tokens = tokenize([self.clean(text) for text in texts], self.protocol.tokens)
        no_labels = [0] * len(texts)
        split = encode_split(tokens, no_labels, self.vocabulary, self.protocol.max_length)
        return probabilities(predict(self.model, split, self.protocol))

    def labels(self, probabilities: Float[Tensor, "texts classes"]) -> list[str]:
        """Return the most probable class of each text."""
        return [self.classes[index] for index in probabilities.argmax(1)]


def find_kernel(option: dict[str, Any], protocol: Protocol) -> FusedKernel | None:
    """Return the fused kernel if it can compute the model and is faster on this machine.

    It need not be what computed the run.
    """
    cache = os.environ.get("RNN_BENCH_CACHE")
    config = Config(
        model=Recurrent(**{**as_before(Recurrent), **option}),
        protocol=protocol,
        cache_dir=cache or platformdirs.user_cache_dir("rnn_bench", appauthor=False),
    )
    return fused_kernel(config, torch.device("cpu"))

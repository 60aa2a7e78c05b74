"""A trained model that takes raw text: cleaned, encoded and read as in the run's own test."""

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
from rnn_bench.config.options import build
from rnn_bench.config.protocol import Protocol
from rnn_bench.config.schema import Config
from rnn_bench.data.corpus import CLEANINGS
from rnn_bench.data.encoding import Split
from rnn_bench.data.vocabulary import encode_texts
from rnn_bench.evaluation.predictions import probabilities
from rnn_bench.models.baselines.baseline import Baseline
from rnn_bench.models.kernels.choice import fused_kernel
from rnn_bench.models.kernels.fused import FusedKernel
from rnn_bench.models.recurrent import RecurrentClassifier
from rnn_bench.tracking.model_folder import SETTINGS, VOCABULARY, WEIGHTS
from rnn_bench.training.device import cores
from rnn_bench.training.prediction import predict

PART = 1024  # texts that a core reads at a time; more where a batch is larger


@dataclass(frozen=True)
class TextClassifier:
    """A model on the CPU, and all else that its answer to a text depends on."""

    model: nn.Module | Baseline
    protocol: Protocol
    clean: Callable[[str], str]
    vocabulary: list[str]
    classes: list[str]

    @classmethod
    def load(cls, folder: Path) -> "TextClassifier":
        """The model of a run's `model` folder.

        Raises:
            ConfigError: the class of the model, a user's own, cannot be imported here.
        """
        settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        words = json.loads((folder / VOCABULARY).read_text(encoding="utf-8"))
        protocol = Protocol(**settings["protocol"])
        model = build(
            settings["model"],
            vocabulary_size=len(words["words"]),
            classes=len(words["classes"]),
            readout=protocol.readout,
        )
        model.load_state_dict(load_file(folder / WEIGHTS))
        if isinstance(model, RecurrentClassifier):
            model.fused = kernel_here(settings["model"], protocol)
        clean = CLEANINGS[settings["cleaning"]]
        return cls(model, protocol, clean, words["words"], words["classes"])

    def probabilities(self, texts: Sequence[str]) -> Float[Tensor, "texts classes"]:
        """Of each class for each text, in order; not numbers if the model diverged.

        With readout `padded_end` a text's answer depends on those it shares a batch with: they
        are read in this order, in the protocol's batch size, as the test articles were.

        Many texts are cut into parts of whole batches, and each core reads a part: with one
        thread of torch a part, cores do not wait for each other at every step.
        """
        size = self.protocol.batch_size * math.ceil(PART / self.protocol.batch_size)
        parts = [texts[start : start + size] for start in range(0, len(texts), size)]
        if len(parts) < 2:
            return self._read(texts)
        with ThreadPoolExecutor(cores()) as readers:
            return torch.cat(list(readers.map(self._read, parts)))

    def _read(self, texts: Sequence[str]) -> Float[Tensor, "texts classes"]:
        tokens, offsets = encode_texts(
            [self.clean(text) for text in texts], self.vocabulary, self.protocol.max_length
        )
        unlabelled = torch.zeros(len(texts), dtype=torch.int64)
        split = Split(torch.from_numpy(tokens), torch.from_numpy(offsets), unlabelled)
        return probabilities(predict(self.model, split, self.protocol))

    def labels(self, probabilities: Float[Tensor, "texts classes"]) -> list[str]:
        """The most probable class of each text."""
        return [self.classes[place] for place in probabilities.argmax(1)]


def kernel_here(option: dict[str, Any], protocol: Protocol) -> FusedKernel | None:
    """The fused kernel, if it computes such a model and is faster on this machine, whatever the
    run was computed by."""
    cache = os.environ.get("RNN_BENCH_CACHE")
    config = Config(
        model=Recurrent(**option),
        protocol=protocol,
        cache_dir=cache or platformdirs.user_cache_dir("rnn_bench", appauthor=False),
    )
    return fused_kernel(config, torch.device("cpu"))

"""The group `model`: every key's type, default, meaning and range."""

from dataclasses import dataclass

from omegaconf import MISSING

from rnn_bench.config.options import (
    FRACTION,
    POSITIVE,
    Option,
    at_least,
    key,
    one_of,
)


@dataclass
class Model(Option):
    """What is compared."""

    group = "model"
    given = ("vocabulary_size", "classes", "readout")


@dataclass
class Recurrent(Model):
    """Embedding, recurrent layers, readout, linear layer."""

    of_the_machine = ("kernel",)
    _target_: str = "rnn_bench.models.recurrent.RecurrentClassifier"
    name: str = key(MISSING, "the model in tables and run names")
    cell: str = key(MISSING, "the recurrent cell", one_of("rnn", "lstm", "gru"))
    embedding_dim: int = key(100, "size of a token's embedding", at_least(1))
    hidden_size: int = key(128, "size of the hidden state of a direction", at_least(1))
    num_layers: int = key(1, "recurrent layers", at_least(1))
    bidirectional: bool = key(False, "read the article in both directions")
    dropout: float = key(0.5, "dropout of the readout and between layers", FRACTION)
    kernel: str = key(
        "auto",
        "code for the recurrence: torch's, the fused one for the CPU, or auto: the faster",
        one_of("auto", "torch", "fused"),
    )


@dataclass
class Tfidf(Model):
    """TF-IDF and logistic regression, on the same tokens as the recurrent models."""

    _target_: str = "rnn_bench.models.baselines.tfidf.TfidfClassifier"
    name: str = key("tfidf", "the model in tables and run names")
    c: float = key(10.0, "inverse strength of the L2 penalty", POSITIVE)


@dataclass
class Majority(Model):
    """Always the training split's most frequent class."""

    _target_: str = "rnn_bench.models.baselines.majority.MajorityClassifier"
    name: str = key("majority", "the model in tables and run names")

"""The group `model`: the models, with every key's type, default, meaning and range."""

from dataclasses import dataclass
from pathlib import Path

import hydra.utils
from omegaconf import MISSING

import rnn_bench
from rnn_bench.config.options import FRACTION, Allowed, Option, between, key, one_of

SIZE = between(1, 100_000)

AUTO_OR_POSITIVE = Allowed(
    "auto, or a number above 0",
    lambda value: value == "auto" or (not isinstance(value, str | bool) and value > 0),
)


def cell_names() -> list[str]:
    """Return the names of the package's own recurrent cells: the files in `models/cells`."""
    folder = Path(rnn_bench.__file__).parent / "models" / "cells"
    return sorted(file.stem for file in folder.glob("[!_]*.py"))


def cell_name(cell: str) -> str:
    """Return a cell's name in tables: MinGRU for `my_cells.MinGRU`."""
    return cell.rpartition(".")[2]


@dataclass
class Model(Option):
    """What is compared."""

    group = "model"
    base = "torch.nn.Module"
    given = ("vocabulary_size", "classes", "readout")


@dataclass
class Recurrent(Model):
    """Embedding, recurrent layers, readout, linear layer."""

    of_no_result = ("kernel", "graph")
    _target_: str = "rnn_bench.models.recurrent.RecurrentClassifier"
    name: str = key(MISSING, "the model in tables and run names")
    cell: str = key(
        MISSING,
        f"the recurrent cell: {', '.join(cell_names())}, or the path of a class, my_cells.MinGRU",
    )
    embedding_dim: int = key(100, "size of a token's embedding", SIZE)
    hidden_size: int = key(128, "size of the hidden state of a direction", SIZE)
    num_layers: int = key(1, "recurrent layers", between(1, 1000))
    bidirectional: bool = key(False, "read the article in both directions")
    dropout: float = key(0.0, "dropout of the readout and between layers", FRACTION)
    kernel: str = key(
        "auto",
        "code for the recurrence: torch's, the fused one, or auto: the faster, torch's on a GPU",
        one_of("auto", "torch", "fused"),
    )
    graph: str = key(
        "off",
        "whether a GPU trains by CUDA graphs: off, or auto, where model, optimizer and protocol "
        "allow",
        one_of("off", "auto"),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.cell not in cell_names():  # else torch need not be imported to know it
            hydra.utils.get_method("rnn_bench.models.cell.cell_class")(self.cell)


@dataclass
class Linear(Model):
    """A linear classifier of the tokens that the recurrent models read, and of pairs of them."""

    c: int | float | str = key(
        "auto",
        "inverse strength of the L2 penalty; auto: the best on the validation split",
        AUTO_OR_POSITIVE,
    )
    all_tokens: bool = key(
        True, "every token of training, not only the protocol's vocabulary", before=False
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self.c = self.c if self.c == "auto" else float(self.c)


@dataclass
class Tfidf(Linear):
    """TF-IDF with sublinear counts, and logistic regression."""

    _target_: str = "rnn_bench.models.baselines.tfidf.TfidfClassifier"
    name: str = key("tfidf", "the model in tables and run names")


@dataclass
class Nbsvm(Linear):
    """A support vector machine on features weighted by naive Bayes: Wang and Manning 2012."""

    _target_: str = "rnn_bench.models.baselines.nbsvm.NbsvmClassifier"
    name: str = key("nbsvm", "the model in tables and run names")


@dataclass
class Majority(Model):
    """Always the training split's most frequent class."""

    _target_: str = "rnn_bench.models.baselines.majority.MajorityClassifier"
    name: str = key("majority", "the model in tables and run names")

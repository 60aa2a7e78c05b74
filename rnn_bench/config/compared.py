"""The options of the groups dataset, model and optimizer: every key's type, default, meaning and
what it may be."""

from dataclasses import dataclass

from omegaconf import MISSING

from rnn_bench.config.options import (
    FRACTION,
    INNER_FRACTION,
    POSITIVE,
    SEED,
    Allowed,
    ConfigError,
    Option,
    at_least,
    key,
    one_of,
)

STUDY_CORPORA = ("isot", "kaggle")

# --- dataset ---------------------------------------------------------------------------------


@dataclass
class Dataset(Option):
    """What is read."""

    group = "dataset"
    given = ("data_dir",)


@dataclass
class Study(Dataset):
    """A corpus of the study: `<data_dir>/<name>/preprocessed/`, else `<data_dir>/<name>/raw/`."""

    _target_: str = "rnn_bench.data.study.StudyCorpus"
    name: str = key(MISSING, "the corpus in tables and run names")
    corpus: str = key(MISSING, "which of the two", one_of(*STUDY_CORPORA))
    dateline: str = key(
        "removed",
        "of isot's true articles: removed as in the study, or kept (takes the raw files); "
        "kaggle's articles keep theirs",
        one_of("removed", "kept"),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.corpus == "kaggle" and self.dateline == "removed":
            raise ConfigError(
                "dataset.dateline=removed is not possible with kaggle: the study removes datelines "
                "from isot's true articles alone."
            )


@dataclass
class Csv(Dataset):
    """The user's own CSV files."""

    _target_: str = "rnn_bench.data.tables.CsvCorpus"
    name: str = key(MISSING, "the corpus in tables and run names; by default the train file's stem")
    train: str = key(MISSING, "CSV file with the training articles")
    test: str | None = key(None, "CSV file with the test articles; empty: test_fraction of train")
    test_fraction: float = key(0.2, "share of train held out as test", INNER_FRACTION)
    text_column: str = key("text", "name of the column with the text")
    label_column: str = key("label", "name of the column with the label")
    cleaning: str = key("lower", "what is done to a text", one_of("study", "lower", "none"))
    drop_bad_rows: bool = key(False, "leave out rows with an empty text or label cell")


@dataclass
class Demo(Dataset):
    """A generated news-like corpus with a class cue at a chosen distance from the end."""

    _target_: str = "rnn_bench.data.demo.DemoCorpus"
    name: str = key("demo", "the corpus in tables and run names")
    articles: int = key(5000, "articles in all; a fifth of them is test", at_least(20))
    length: int = key(
        110,
        "mean words an article; lengths vary by half of it, less where the cue needs the room",
        at_least(4),
    )
    cue_distance: int = key(100, "most words between the class cue and the end", at_least(0))
    noise: float = key(0.02, "share of articles with the other class's label", FRACTION)
    seed: int = key(0, "of the generated words", SEED)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.cue_distance > self.length - 2:
            raise ConfigError(
                f"dataset.cue_distance={self.cue_distance} is not possible: with "
                f"dataset.length={self.length} it must be at most {self.length - 2}."
            )


# --- model -----------------------------------------------------------------------------------


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

    _target_: str = "rnn_bench.models.baselines.TfidfClassifier"
    name: str = key("tfidf", "the model in tables and run names")
    c: float = key(10.0, "inverse strength of the L2 penalty", POSITIVE)


@dataclass
class Majority(Model):
    """Always the training split's most frequent class."""

    _target_: str = "rnn_bench.models.baselines.MajorityClassifier"
    name: str = key("majority", "the model in tables and run names")


# --- optimizer -------------------------------------------------------------------------------


@dataclass
class Optimizer(Option):
    """What turns gradients into steps."""

    group = "optimizer"
    given = ("params",)
    _target_: str = MISSING
    _partial_: bool = True
    name: str = key(MISSING, "the optimizer in tables and run names")
    lr: float = key(MISSING, "learning rate", POSITIVE)
    weight_decay: float = key(0.0, "weight decay", at_least(0))


BETAS = Allowed(
    "two numbers, each at least 0 and below 1",
    lambda betas: len(betas) == 2 and all(0 <= beta < 1 for beta in betas),
)


@dataclass
class Adam(Optimizer):
    _target_: str = "torch.optim.Adam"
    betas: list[float] = key([0.9, 0.999], "decay of the two moment estimates", BETAS)
    eps: float = key(1e-8, "added to the denominator", POSITIVE)
    fused: bool = key(True, "one fused kernel for the whole update")


@dataclass
class AdamW(Adam):
    _target_: str = "torch.optim.AdamW"
    weight_decay: float = key(0.01, "decoupled weight decay", at_least(0))


@dataclass
class SGD(Optimizer):
    _target_: str = "torch.optim.SGD"
    momentum: float = key(0.0, "momentum", FRACTION)
    nesterov: bool = key(False, "Nesterov momentum")
    fused: bool = key(True, "one fused kernel for the whole update")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nesterov and self.momentum == 0:
            raise ConfigError("optimizer.nesterov=true needs an optimizer.momentum above 0.")


@dataclass
class RMSprop(Optimizer):
    _target_: str = "torch.optim.RMSprop"
    alpha: float = key(0.99, "decay of the squared-gradient average", FRACTION)
    eps: float = key(1e-8, "added to the denominator", POSITIVE)
    momentum: float = key(0.0, "momentum", FRACTION)

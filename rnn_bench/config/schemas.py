"""Every configuration key: its type, default, meaning and what it may be.

Each option of a group has a dataclass here, attached in the option's YAML file through the
`schema` group.
"""

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
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
    corpus: str = key(MISSING, "which of the two", one_of("isot", "kaggle"))


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

    _target_: str = "rnn_bench.models.recurrent.RecurrentClassifier"
    name: str = key(MISSING, "the model in tables and run names")
    cell: str = key(MISSING, "the recurrent cell", one_of("rnn", "lstm", "gru"))
    embedding_dim: int = key(100, "size of a token's embedding", at_least(1))
    hidden_size: int = key(128, "size of the hidden state of a direction", at_least(1))
    num_layers: int = key(1, "recurrent layers", at_least(1))
    bidirectional: bool = key(False, "read the article in both directions")
    dropout: float = key(0.5, "dropout of the readout and between layers", FRACTION)


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


# --- protocol, tracking, the run -------------------------------------------------------------


@dataclass
class Protocol(Option):
    """Everything held equal between compared runs."""

    group = "protocol"
    name: str = key(MISSING, "the protocol in tables and run names")
    vocabulary_size: int = key(30000, "tokens, with padding and unknown", at_least(3))
    vocabulary_source: str = key(
        "training",
        "articles whose tokens are counted",
        one_of("training", "training_and_validation"),
    )
    max_length: int = key(512, "first tokens of an article that are kept", at_least(1))
    validation_fraction: float = key(0.2, "share of the training file", INNER_FRACTION)
    validation_stratified: bool = key(True, "the same class shares in training and validation")
    split_seed: int = key(42, "of the validation split", SEED)
    batch_size: int = key(32, "articles a batch", at_least(1))
    epochs: int = key(15, "passes over the training articles", at_least(1))
    readout: str = key(
        "last_token",
        "the state that the classifier reads",
        one_of("last_token", "padded_end", "mean", "max"),
    )
    batching: str = key(
        "bucketed",
        "batches of similar lengths, or random ones",
        one_of("bucketed", "shuffled"),
    )
    gradient_clip_norm: float | None = key(1.0, "largest gradient norm; empty: any", POSITIVE)
    evaluated_weights: str = key(
        "best",
        "of the epoch with the lowest validation loss, or of the last epoch",
        one_of("best", "last"),
    )
    patience: int | None = key(
        5, "epochs without a lower validation loss before stopping; empty: never", at_least(1)
    )
    loss_average: str = key(
        "articles", "mean over articles, or of the batches' means", one_of("articles", "batches")
    )
    lr_by_model: dict[str, float] = key({}, "learning rates that a model's name decides")
    dropout_by_model: dict[str, float] = key({}, "dropouts that a model's name decides")


@dataclass
class Tracking(Option):
    group = "tracking"
    uri: str | None = key(
        None, "MLflow store; empty: $MLFLOW_TRACKING_URI, else mlflow.db in the working folder"
    )
    experiment_name: str = key("rnn-bench", "MLflow experiment")


@dataclass
class Config(Option):
    """A run: dataset x model x optimizer x protocol x seed, and where it is computed and kept."""

    dataset: Any = MISSING
    model: Any = MISSING
    optimizer: Any = MISSING
    protocol: Protocol = MISSING
    tracking: Tracking = field(default_factory=Tracking)
    seed: int = key(0, "of initial weights, batch order and dropout; never of the splits", SEED)
    device: str = key(
        "auto",
        "auto, cpu, cuda, cuda:N or mps",
        Allowed(
            "auto, cpu, cuda, cuda:N or mps",
            lambda name: (
                name in ("auto", "cpu", "cuda", "mps")
                or (name[:5] == "cuda:" and name[5:].isdigit())
            ),
        ),
    )
    threads: int | None = key(
        None,
        "torch and OpenMP threads; empty: one a job in a sweep, all cores in a single run",
        at_least(1),
    )
    data_dir: str = key(MISSING, "raw and preprocessed corpora")
    cache_dir: str = key(MISSING, "encoded corpora; safe to delete")
    output_dir: str = key("outputs", "a folder a run and a folder a sweep")
    rerun: bool = key(False, "train again what a finished run already answers")
    plan: bool = key(False, "print the sweep's runs with expected times, and stop")
    sweep_id: str = key(MISSING, "names the sweep; the command makes a new one each time")


GROUPS = ("dataset", "model", "optimizer", "protocol")
SCHEMAS: dict[str, type[Option]] = {
    "dataset/study": Study,
    "dataset/csv": Csv,
    "dataset/demo": Demo,
    "model/recurrent": Recurrent,
    "model/tfidf": Tfidf,
    "model/majority": Majority,
    "optimizer/adam": Adam,
    "optimizer/adamw": AdamW,
    "optimizer/sgd": SGD,
    "optimizer/rmsprop": RMSprop,
    "protocol": Protocol,
}


def register_schemas() -> None:
    """Put the schemas where Hydra's defaults lists find them: `schema/<group>/<option>`."""
    store = ConfigStore.instance()
    store.store(name="config_schema", node=Config)
    for path, schema in SCHEMAS.items():
        group, _, name = f"schema/{path}".rpartition("/")
        store.store(group=group, name=name, node=schema)

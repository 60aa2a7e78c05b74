"""The configuration of a run: every key's type, default, meaning and what it may be.

Each option of a group has a dataclass, attached in the option's YAML file through the `schema`
group.
"""

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING

from rnn_bench.config.compared import (
    SGD,
    STUDY_CORPORA,
    Adam,
    AdamW,
    Csv,
    Demo,
    Majority,
    Recurrent,
    RMSprop,
    Study,
    Tfidf,
)
from rnn_bench.config.options import (
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
class Evaluation(Option):
    """What is asked of a trained model beside its test articles. It decides no weights: a run that
    is answered already is evaluated further from those it has."""

    group = "evaluation"
    transfer: list[str] = key(
        [], "corpora whose test articles are read too, the run's own skipped: isot, kaggle"
    )
    gradient_flow: bool = key(
        False, "how strongly the loss depends on the hidden state at each step back from the end"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for corpus in self.transfer:
            if corpus not in STUDY_CORPORA:
                raise ConfigError(
                    f"evaluation.transfer={self.transfer} is not possible: {corpus} is not one of "
                    f"{', '.join(STUDY_CORPORA)}."
                )

    @property
    def asks(self) -> bool:
        return bool(self.transfer) or self.gradient_flow


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
    evaluation: Evaluation = field(default_factory=Evaluation)
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

    def __post_init__(self) -> None:
        super().__post_init__()
        if getattr(self.model, "kernel", "") == "fused" and (reason := self.beyond_fused):
            raise ConfigError(f"model.kernel=fused is not possible with {reason}.")

    @property
    def beyond_fused(self) -> str:
        """The setting of a recurrent model that the fused kernel does not compute, if any: it has
        one direction and the last state alone."""
        if self.model.bidirectional:
            return "model.bidirectional=true"
        if self.protocol.readout not in ("last_token", "padded_end"):
            return f"protocol.readout={self.protocol.readout}"
        return ""


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
    "evaluation": Evaluation,
}


def register_schemas() -> None:
    """Put the schemas where Hydra's defaults lists find them: `schema/<group>/<option>`."""
    store = ConfigStore.instance()
    store.store(name="config_schema", node=Config)
    for path, schema in SCHEMAS.items():
        group, _, name = f"schema/{path}".rpartition("/")
        store.store(group=group, name=name, node=schema)

"""The configuration of a run: an option of each group, and keys of its own.

Each option's YAML file names the dataclass that checks it, through the `schema` group.
"""

import re
from dataclasses import dataclass, field
from typing import Any

import hydra.utils
from hydra.core.config_store import ConfigStore
from omegaconf import MISSING

from rnn_bench.config.dataset import Card, Demo, Hub, Newsgroups, Study, Table
from rnn_bench.config.errors import ConfigError
from rnn_bench.config.evaluation import Evaluation
from rnn_bench.config.model import Majority, Nbsvm, Recurrent, Tfidf
from rnn_bench.config.optimizer import SGD, Adam, AdamW, RMSprop
from rnn_bench.config.options import SEED, Allowed, Option, at_least, key, target_of
from rnn_bench.config.protocol import Protocol
from rnn_bench.config.report import Report
from rnn_bench.config.search import Search
from rnn_bench.config.tracking import Tracking

DEVICE = Allowed(
    "auto, cpu, cuda, cuda:N or mps",
    lambda name: bool(re.fullmatch(r"auto|cpu|mps|cuda(:[0-9]{1,2})?", name)),
)


@dataclass
class Config(Option):
    """A run: dataset x model x optimizer x protocol x seed, its device and its folders."""

    dataset: Any = MISSING
    model: Any = MISSING
    optimizer: Any = MISSING
    protocol: Protocol = MISSING
    evaluation: Evaluation = field(default_factory=Evaluation)
    tracking: Tracking = field(default_factory=Tracking)
    search: Search = field(default_factory=Search)
    report: Report = field(default_factory=Report)
    seed: int = key(0, "of initial weights, batch order and dropout; never of the splits", SEED)
    device: str = key("auto", DEVICE.text, DEVICE)
    threads: int | None = key(
        None,
        "torch and OpenMP threads; empty: one a job in a sweep, all cores in a single run",
        at_least(1),
    )
    deterministic: bool = key(
        False,
        "torch's deterministic algorithms alone: the same bits again on a GPU; slower, and a run "
        "with an operation that has none fails",
    )
    data_dir: str = key(MISSING, "raw and preprocessed corpora")
    cache_dir: str = key(MISSING, "encoded corpora; safe to delete")
    output_dir: str = key("outputs", "a folder a run and a folder a sweep")
    primary_metric: str = key(
        "test_accuracy",
        "what the comparison and the report's answer rank by: test_macro_f1, test_f1/CLASS, "
        "test_loss, ...",
    )
    rerun: bool = key(False, "train again what a finished run already answers")
    plan: bool = key(False, "print the sweep's runs with expected times, and stop")
    sweep_id: str = key(MISSING, "names the sweep; the command makes a new one each time")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.protocol.parameters and isinstance(self.model, Recurrent):
            self._choose_hidden_size(self.model, self.protocol.parameters)
        if getattr(self.model, "kernel", "") == "fused":  # which imports torch, so only then
            beyond_fused = target_of(self.model).beyond_fused  # type: ignore[attr-defined]
            if reason := beyond_fused(self.model.cell):
                raise ConfigError(f"model.kernel=fused is not possible with {reason}.")
            if self.protocol.precision == "tf32":
                raise ConfigError(
                    "model.kernel=fused is not possible with protocol.precision=tf32: it computes "
                    "float32, and on a GPU bfloat16."
                )

    def _choose_hidden_size(self, model: Recurrent, parameters: str) -> None:
        """Give the model the hidden size for `protocol.parameters`, of which `lstm` becomes the
        number, so that the same size is chosen again from the result."""
        sizes = "rnn_bench.models.sizes"  # which imports torch, so only then
        keys = model.embedding_dim, model.num_layers, model.bidirectional
        if parameters == "lstm":
            count = hydra.utils.get_method(f"{sizes}.recurrent_parameters")
            parameters = str(count("lstm", *keys, model.hidden_size))
        choose = hydra.utils.get_method(f"{sizes}.equal_hidden_size")
        self.protocol.parameters = parameters
        model.hidden_size = choose(model.cell, *keys, int(parameters))


GROUPS = ("dataset", "model", "optimizer", "protocol")
SCHEMAS: dict[str, type[Option]] = {
    "dataset/study": Study,
    "dataset/table": Table,
    "dataset/demo": Demo,
    "dataset/card": Card,
    "dataset/newsgroups": Newsgroups,
    "dataset/hub": Hub,
    "model/recurrent": Recurrent,
    "model/tfidf": Tfidf,
    "model/nbsvm": Nbsvm,
    "model/majority": Majority,
    "optimizer/adam": Adam,
    "optimizer/adamw": AdamW,
    "optimizer/sgd": SGD,
    "optimizer/rmsprop": RMSprop,
    "protocol": Protocol,
    "evaluation": Evaluation,
}


def register_schemas() -> None:
    """Register the schemas with Hydra, as options `schema/<group>/<option>`."""
    store = ConfigStore.instance()
    store.store(name="config_schema", node=Config)
    for path, schema in SCHEMAS.items():
        group, _, name = f"schema/{path}".rpartition("/")
        store.store(group=group, name=name, node=schema)
